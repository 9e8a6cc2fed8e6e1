#include <algorithm>
#include <array>
#include <string>

#include "arrays.hpp"
#include "bind.hpp"
#include "scalars.hpp"
#include "texture.hpp"

namespace mertool::bindings {
namespace {

using Three = std::array<std::int64_t, 3>;

constexpr std::int64_t max_side = 32768;

TextureSettings check_settings(const std::string& where, const py::object& pattern, const py::object& points_in,
                               const py::object& radii_in, const py::object& interpolation, const py::object& threshold,
                               const py::object& with_sign) {
    const bool centralised = !check_choice(pattern, where + "pattern", "lbp", "cbp");
    const std::int64_t points = to_integer(points_in).value_or(0);
    if (points != 4 && points != 8 && points != 16) {
        throw_invalid(where + "points", " must be 4, 8 or 16, got " + repr(points_in));
    }
    const auto radii = to_integers<3>(radii_in);
    if (!radii || *std::min_element(radii->begin(), radii->end()) < 1 ||
        *std::max_element(radii->begin(), radii->end()) > max_radius) {
        throw_invalid(where + "radii", " must be three whole numbers (x, y, t) in 1.." + std::to_string(max_radius) +
                                           ", got " + repr(radii_in));
    }
    const bool bilinear = check_choice(interpolation, where + "interpolation", "bilinear", "nearest");
    if (centralised && bilinear) {
        throw_invalid(where + "interpolation", " of 'cbp' must be 'nearest': its sums are whole numbers");
    }
    const auto [rx, ry, rt] = *radii;
    return {centralised,
            static_cast<int>(points),
            {static_cast<int>(rx), static_cast<int>(ry), static_cast<int>(rt)},
            bilinear,
            static_cast<int>(check_integer(threshold, where + "threshold", 0, 255)),
            check_flag(with_sign, where + "with_sign")};
}

void check_bytes(const std::string& where, double bytes, const std::string& advice) {
    if (bytes > max_bytes) throw_invalid(where, "the result would take " + gibibytes(bytes) + "; " + advice);
}

void check_room(const std::string& where, const Volumes& clips, const TextureSettings& settings,
                const py::object& given) {
    const auto [rx, ry, rt] = settings.radii;
    if (clips.frames > max_side || clips.size.height > max_side || clips.size.width > max_side) {
        throw_invalid(where,
                      " must be at most " + std::to_string(max_side) + " long, high and wide, got " + describe(given));
    }
    if (clips.frames <= 2 * rt || clips.size.height <= 2 * ry || clips.size.width <= 2 * rx) {
        throw_invalid(where, " must be larger than the circles, at least (T, H, W) = (" + std::to_string(2 * rt + 1) +
                                 ", " + std::to_string(2 * ry + 1) + ", " + std::to_string(2 * rx + 1) + "), got " +
                                 describe(given));
    }
}

py::array codes_checked(const py::object& volume, const py::object& pattern, const py::object& points,
                        const py::object& radii, const py::object& interpolation, const py::object& threshold,
                        const py::object& with_sign) {
    const std::string where = "texture_codes: ";
    const TextureSettings settings = check_settings(where, pattern, points, radii, interpolation, threshold, with_sign);
    const auto block = check_block<std::uint8_t>(volume, where + "volume", {{"T", "H", "W"}});
    const Volumes clip{block.data(), 1, block.shape(0), {block.shape(1), block.shape(2)}};
    check_room(where + "volume", clip, settings, volume);
    const auto [rx, ry, rt] = settings.radii;
    check_bytes(where, 2.0 * planes * static_cast<double>(clip.voxels()), "code a smaller clip");
    py::array_t<std::uint16_t> out(
        {std::int64_t{planes}, clip.frames - 2 * rt, clip.size.height - 2 * ry, clip.size.width - 2 * rx});
    std::uint16_t* const to = out.mutable_data();
    {
        const py::gil_scoped_release release;  // `block` is held here, `out` is not yet known to anyone else
        texture_codes(settings, clip, to);
    }
    return std::move(out);
}

py::array counts_checked(const py::object& volumes, const py::object& pattern, const py::object& points,
                         const py::object& radii, const py::object& interpolation, const py::object& threshold,
                         const py::object& with_sign, const py::object& blocks_in, const py::object& threads_in) {
    const std::string where = "texture_counts: ";
    const TextureSettings settings = check_settings(where, pattern, points, radii, interpolation, threshold, with_sign);
    const Three blocks = to_integers<3>(blocks_in).value_or(Three{});
    const int threads = check_threads(threads_in, where + "threads");
    const auto block = check_block<std::uint8_t>(volumes, where + "volumes", {{"N", "T", "H", "W"}});
    const Volumes clips{block.data(), block.shape(0), block.shape(1), {block.shape(2), block.shape(3)}};
    check_room(where + "volumes", clips, settings, volumes);
    const Three sizes{clips.frames, clips.size.height, clips.size.width};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        if (blocks[axis] < 1 || blocks[axis] > sizes[axis]) {
            throw_invalid(where + "blocks",
                          " must be three whole numbers (t, y, x) from 1 up to the clips' size, got " +
                              repr(blocks_in) + " for " + describe(volumes));
        }
    }
    // With zero clips, the shape must still be representable.
    check_bytes(where,
                4.0 * static_cast<double>(std::max<std::int64_t>(clips.count, 1)) * static_cast<double>(blocks[0]) *
                    static_cast<double>(blocks[1]) * static_cast<double>(blocks[2]) * planes * settings.bins(),
                "count fewer clips, blocks or points at once");
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
    const py::tuple ones = py::make_tuple(1, 1, 1);
    module.def("texture_codes", &codes_checked, py::arg("volume"), py::arg("pattern") = "lbp", py::arg("points") = 8,
               py::arg("radii") = ones, py::arg("interpolation") = "bilinear", py::arg("threshold") = 0,
               py::arg("with_sign") = false, "Codes of the voxels of a (T, H, W) uint8 clip on its three planes.");
    module.def("texture_counts", &counts_checked, py::arg("volumes"), py::arg("pattern") = "lbp", py::arg("points") = 8,
               py::arg("radii") = ones, py::arg("interpolation") = "bilinear", py::arg("threshold") = 0,
               py::arg("with_sign") = false, py::arg("blocks") = ones, py::arg("threads") = 1,
               "Histograms of the codes of (N, T, H, W) uint8 clips, block by block.");
}

}  // namespace mertool::bindings
