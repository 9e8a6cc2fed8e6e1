// One function per file: each adds its names to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace mertool::bindings {

void bind_align(pybind11::module_& module);
void bind_build(pybind11::module_& module);
void bind_points(pybind11::module_& module);
void bind_render(pybind11::module_& module);
void bind_texture(pybind11::module_& module);

}  // namespace mertool::bindings
