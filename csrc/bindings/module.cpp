#include "bind.hpp"

PYBIND11_MODULE(_core, module) {
    using namespace mertool::bindings;
    module.doc() = "Compiled kernels of mertool; types and contracts are in _core.pyi.";
    bind_render(module);
    bind_align(module);
    bind_points(module);
    bind_texture(module);
    bind_build(module);
}
