#include "bind.hpp"

namespace {

bool in_main_interpreter() { return PyInterpreterState_Get() == PyInterpreterState_Main(); }

constexpr auto elsewhere = "mertool._core works in the main interpreter only, not in a subinterpreter";

}  // namespace

PYBIND11_MODULE(_core_of_main_interpreter, module) {
    using namespace mertool::bindings;
    // Python 3.13 calls PyInit in the main interpreter and only this in the one that imports.
    if (!in_main_interpreter()) throw pybind11::import_error(elsewhere);
    module.doc() = "Compiled kernels of mertool; types and contracts are in _core.pyi.";
    bind_render(module);
    bind_align(module);
    bind_points(module);
    bind_texture(module);
    bind_build(module);
}

// Before pybind11's start, which in a subinterpreter of Python 3.11 waits for itself, for ever.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core();
PyObject* PyInit__core() {
    if (!in_main_interpreter()) {
        PyErr_SetString(PyExc_ImportError, elsewhere);
        return nullptr;
    }
    return PyInit__core_of_main_interpreter();
}
