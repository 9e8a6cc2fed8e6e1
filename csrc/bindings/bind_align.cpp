#include <algorithm>
#include <string>

#include "align.hpp"
#include "arrays.hpp"
#include "bind.hpp"
#include "scalars.hpp"

namespace mertool::bindings {
namespace {

constexpr std::int64_t max_side = 16384;

py::array_t<std::uint8_t> align_checked(const py::object& image_in, const py::object& transform_in,
                                        const py::object& size_in) {
    const Size size = check_size(size_in, "align: size", max_side);
    const auto image = check_block<std::uint8_t>(image_in, "align: image", {{"H", "W"}, {"H", "W", 3}});
    const auto matrix = check_block<double>(transform_in, "align: transform", {{2, 3}});
    if (image.size() == 0) throw_invalid("align: image", " must not be empty, got " + describe(image_in));
    Transform transform;
    std::copy_n(matrix.data(), transform.size(), transform.begin());
    const Picture picture{image.data(), {image.shape(0), image.shape(1)}, image.ndim() == 3 ? 3 : 1};
    py::array_t<std::uint8_t> out({size.height, size.width});
    std::uint8_t* const to = out.mutable_data();
    {
        // Safe: `image` is held by this call, `out` is not yet known to anyone else, and the kernel calls no Python.
        const py::gil_scoped_release release;
        align(picture, transform, size, to);
    }
    return out;
}

}  // namespace

void bind_align(py::module_& module) {
    module.def("align", &align_checked, py::arg("image"), py::arg("transform"), py::arg("size"),
               "Warp a (H, W) grey or (H, W, 3) BGR uint8 picture by a similarity to a grey (h, w) uint8 one.");
}

}  // namespace mertool::bindings
