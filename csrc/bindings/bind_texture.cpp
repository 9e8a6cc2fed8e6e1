#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>

#include "arrays.hpp"
#include "bind.hpp"
#include "texture.hpp"

namespace mertool::bindings {
namespace {

using Three = std::array<std::int64_t, 3>;

constexpr std::int64_t max_side = 32768;
constexpr double max_output_bytes = 1099511627776.0;  // 2^40: more is a mistake, not a wish

std::string text(const Three& three) {
    return "(" + std::to_string(three[0]) + ", " + std::to_string(three[1]) + ", " + std::to_string(three[2]) + ")";
}

TextureSettings check_settings(const std::string& where, const std::string& pattern, int points, const Three& radii,
                               const std::string& interpolation, int threshold, bool with_sign) {
    if (pattern != "lbp" && pattern != "cbp")
        refuse(where + "pattern", " must be 'lbp' or 'cbp', got '" + pattern + "'");
    if (points != 4 && points != 8 && points != 16) {
        refuse(where + "points", " must be 4, 8 or 16, got " + std::to_string(points));
    }
    for (const std::int64_t radius : radii) {
        if (radius < 1 || radius > max_radius) {
            refuse(where + "radii",
                   " must be three numbers (x, y, t) in 1.." + std::to_string(max_radius) + ", got " + text(radii));
        }
    }
    if (interpolation != "bilinear" && interpolation != "nearest") {
        refuse(where + "interpolation", " must be 'bilinear' or 'nearest', got '" + interpolation + "'");
    }
    if (pattern == "cbp" && interpolation == "bilinear") {
        refuse(where + "interpolation", " of 'cbp' must be 'nearest': its sums are whole numbers");
    }
    if (threshold < 0 || threshold > 255) {
        refuse(where + "threshold", " must be in 0..255, got " + std::to_string(threshold));
    }
    return {pattern == "cbp",
            points,
            {static_cast<int>(radii[0]), static_cast<int>(radii[1]), static_cast<int>(radii[2])},
            interpolation == "bilinear",
            threshold,
            with_sign};
}

void check_room(const std::string& where, const Volumes& clips, const TextureSettings& settings,
                const py::object& given) {
    const auto [rx, ry, rt] = settings.radii;
    if (clips.frames > max_side || clips.size.height > max_side || clips.size.width > max_side) {
        refuse(where, " must be at most " + std::to_string(max_side) + " long, high and wide, got " + describe(given));
    }
    if (clips.frames <= 2 * rt || clips.size.height <= 2 * ry || clips.size.width <= 2 * rx) {
        refuse(where, " must be larger than the circles, at least (T, H, W) = (" + std::to_string(2 * rt + 1) + ", " +
                          std::to_string(2 * ry + 1) + ", " + std::to_string(2 * rx + 1) + "), got " + describe(given));
    }
}

py::array codes_checked(const py::object& volume, const std::string& pattern, int points, const Three& radii,
                        const std::string& interpolation, int threshold, bool with_sign) {
    const std::string where = "texture_codes: ";
    const TextureSettings settings = check_settings(where, pattern, points, radii, interpolation, threshold, with_sign);
    const auto block = check_block<std::uint8_t>(volume, where + "volume", {{"T", "H", "W"}});
    const Volumes clip{block.data(), 1, block.shape(0), {block.shape(1), block.shape(2)}};
    check_room(where + "volume", clip, settings, volume);
    const auto [rx, ry, rt] = settings.radii;
    py::array_t<std::uint16_t> out(
        {std::int64_t{planes}, clip.frames - 2 * rt, clip.size.height - 2 * ry, clip.size.width - 2 * rx});
    std::uint16_t* const to = out.mutable_data();
    {
        const py::gil_scoped_release release;  // `block` is held here, `out` is not yet known to anyone else
        texture_codes(settings, clip, to);
    }
    return std::move(out);
}

py::array counts_checked(const py::object& volumes, const std::string& pattern, int points, const Three& radii,
                         const std::string& interpolation, int threshold, bool with_sign, const Three& blocks,
                         int threads) {
    const std::string where = "texture_counts: ";
    const TextureSettings settings = check_settings(where, pattern, points, radii, interpolation, threshold, with_sign);
    const auto block = check_block<std::uint8_t>(volumes, where + "volumes", {{"N", "T", "H", "W"}});
    const Volumes clips{block.data(), block.shape(0), block.shape(1), {block.shape(2), block.shape(3)}};
    check_room(where + "volumes", clips, settings, volumes);
    const Three sizes{clips.frames, clips.size.height, clips.size.width};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        if (blocks[axis] < 1 || blocks[axis] > sizes[axis]) {
            refuse(where + "blocks", " must be three numbers (t, y, x) from 1 up to the clips' size, got " +
                                         text(blocks) + " for " + describe(volumes));
        }
    }
    if (threads < 1) refuse(where + "threads", " must be at least 1, got " + std::to_string(threads));
    const double bytes = 4.0 * static_cast<double>(clips.count) * static_cast<double>(blocks[0]) *
                         static_cast<double>(blocks[1]) * static_cast<double>(blocks[2]) * planes * settings.bins();
    if (bytes > max_output_bytes) {
        refuse(where, "the result would take " + std::to_string(static_cast<std::int64_t>(bytes / 1073741824.0)) +
                          " GiB; count fewer clips, blocks or points at once");
    }
    py::array_t<std::uint32_t> out({clips.count, blocks[0] * blocks[1] * blocks[2], std::int64_t{planes},
                                    static_cast<std::int64_t>(settings.bins())});
    std::uint32_t* const to = out.mutable_data();
    {
        const py::gil_scoped_release release;  // `block` is held here, `out` is not yet known to anyone else
        std::fill_n(to, out.size(), std::uint32_t{0});
        texture_counts(settings, clips, {blocks[0], blocks[1], blocks[2]}, threads, to);
    }
    return std::move(out);
}

}  // namespace

void bind_texture(py::module_& module) {
    module.def("texture_codes", &codes_checked, py::arg("volume"), py::arg("pattern") = "lbp", py::arg("points") = 8,
               py::arg("radii") = Three{1, 1, 1}, py::arg("interpolation") = "bilinear", py::arg("threshold") = 0,
               py::arg("with_sign") = false, "Codes of the voxels of a (T, H, W) uint8 clip on its three planes.");
    module.def("texture_counts", &counts_checked, py::arg("volumes"), py::arg("pattern") = "lbp", py::arg("points") = 8,
               py::arg("radii") = Three{1, 1, 1}, py::arg("interpolation") = "bilinear", py::arg("threshold") = 0,
               py::arg("with_sign") = false, py::arg("blocks") = Three{1, 1, 1}, py::arg("threads") = 1,
               "Histograms of the codes of (N, T, H, W) uint8 clips, block by block.");
}

}  // namespace mertool::bindings
