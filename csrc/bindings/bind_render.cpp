#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "render.hpp"
#include "scalars.hpp"

namespace mertool::bindings {
namespace {

constexpr std::int64_t max_grid_side = 1024;

FrameStack check_frames(const py::object& object) {
    const auto frames = check_array<std::uint8_t>(object, "render: frames", {{"M", "T", "H", "W"}});
    const Size size{frames.shape(2), frames.shape(3)};
    if (frames.shape(1) < 1 || size.height < 1 || size.width < 1) {
        throw_invalid("render: frames", " must not be empty in T, H or W, got " + describe(object));
    }
    if (size.height > max_frame_side || size.width > max_frame_side) {
        throw_invalid("render: frames", " must be at most " + std::to_string(max_frame_side) +
                                            " px high and wide, got " + describe(object));
    }
    if (size.width > 1 && frames.strides(3) != 1) {
        throw_invalid("render: frames", " must have the pixels of a row side by side, got a stride of " +
                                            std::to_string(frames.strides(3)) + " bytes; copy them first");
    }
    return {frames.data(),     frames.shape(0),   frames.shape(1),  size,
            frames.strides(0), frames.strides(1), frames.strides(2)};
}

template <class T>
py::array render_as(const RenderPlan& plan, int threads, const std::vector<py::array>& inputs,
                    const std::optional<py::object>& out_in) {
    const Size size = plan.mosaic.size();
    const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(plan.clips.size()), plan.source.frames, size.height,
                                         size.width};
    py::array_t<T, 0> out;
    if (out_in) {
        out = check_out<T>(*out_in, "render: out", Shape(shape.begin(), shape.end()));
        for (const py::array& input : inputs) {
            if (overlap(out, input)) throw_invalid("render: out", " must not share memory with what is rendered from");
        }
    } else {
        out = py::array_t<T, 0>(shape);
    }
    T* const to = out.mutable_data();
    {
        // Safe: frames and result are held by the caller of this function, transforms, tones and clip numbers are
        // copied in `plan`, and the kernel calls no Python. What else has hold of `out` may see it half done.
        const py::gil_scoped_release release;
        render(plan, threads, !out_in, to);
    }
    return std::move(out);
}

py::array render_checked(const py::object& frames, const py::object& transforms_in, const py::object& tone_in,
                         const py::object& grid_in, const py::object& tile_in, const py::object& threads_in,
                         const py::object& dtype_in, const std::optional<py::object>& clips_in,
                         const std::optional<py::object>& out) {
    const Size grid = check_size(grid_in, "render: grid", max_grid_side);
    const Mosaic mosaic{grid.height, grid.width, check_size(tile_in, "render: tile", max_tile_side)};
    const int threads = check_threads(threads_in, "render: threads");
    const bool as_bytes = check_choice(dtype_in, "render: dtype", "uint8", "float32");
    const FrameStack source = check_frames(frames);
    py::array_t<std::int64_t, py::array::c_style> clips;
    if (clips_in) clips = check_block<std::int64_t>(*clips_in, "render: clips", {{"N"}});
    const py::ssize_t n = clips_in ? clips.size() : source.clips;
    const auto transforms =
        check_block<float>(transforms_in, "render: transforms", {{n, py::ssize_t{mosaic.regions()}, 2, 3}});
    const auto tone = check_block<float>(tone_in, "render: tone", {{n, 2}});
    // With zero clips, the shape must still be representable.
    const double bytes = static_cast<double>(std::max<py::ssize_t>(n, 1)) * static_cast<double>(source.frames) *
                         static_cast<double>(mosaic.pixels()) * (as_bytes ? 1.0 : 4.0);
    if (bytes > max_bytes) {
        throw_invalid("render: ",
                      "the result would take " + gibibytes(bytes) + "; render fewer clips or smaller tiles at once");
    }
    const RenderPlan plan =
        plan_render(source, mosaic, n, clips_in ? clips.data() : nullptr, transforms.data(), tone.data());
    std::vector<py::array> inputs;
    for (const py::object& in : {frames, transforms_in, tone_in})
        inputs.push_back(py::reinterpret_borrow<py::array>(in));
    if (clips_in) inputs.push_back(py::reinterpret_borrow<py::array>(*clips_in));
    return as_bytes ? render_as<std::uint8_t>(plan, threads, inputs, out)
                    : render_as<float>(plan, threads, inputs, out);
}

}  // namespace

void bind_render(py::module_& module) {
    module.def("render", &render_checked, py::arg("frames"), py::arg("transforms"), py::arg("tone"), py::arg("grid"),
               py::arg("tile"), py::arg("threads") = 1, py::arg("dtype") = "uint8", py::arg("clips") = py::none(),
               py::arg("out") = py::none(),
               "Warp, tone and stack all regions of (M, T, H, W) uint8 clips into (N, T, rows*h, cols*w) mosaics.");
}

}  // namespace mertool::bindings
