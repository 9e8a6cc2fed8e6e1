#include "bind.hpp"

PYBIND11_MODULE(_core_of_main_interpreter, module) {
    using namespace mertool::bindings;
    module.doc() = "Compiled kernels of mertool; types and contracts are in _core.pyi.";
    bind_render(module);
    bind_align(module);
    bind_points(module);
    bind_texture(module);
    bind_build(module);
}

// In a subinterpreter of Python 3.11 pybind11's start waits for itself, for ever.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core();
PyObject* PyInit__core() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "mertool._core works in the main interpreter only, not in a subinterpreter");
        return nullptr;
    }
    return PyInit__core_of_main_interpreter();
}
