// What every kernel agrees on: pixel centres lie at whole numbers, points are (x, y), sizes (height, width), and a
// 2x3 transform [xx xy x0; yx yy y0] maps an output pixel (x, y) to the input point (xx x + xy y + x0, ...).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mertool {

struct Size {
    std::int64_t height;
    std::int64_t width;
};

// N clips of T grey frames; pixels of a row lie side by side, all other strides (in bytes) are free.
struct FrameStack {
    const std::uint8_t* data;
    std::int64_t clips;
    std::int64_t frames;
    Size size;
    std::ptrdiff_t clip_stride;
    std::ptrdiff_t frame_stride;
    std::ptrdiff_t row_stride;
};

using Transform = std::array<double, 6>;  // xx, xy, x0, yx, yy, y0

// A contiguous (height, width, channels) picture; one channel is grey, three are blue, green, red.
struct Picture {
    const std::uint8_t* data;
    Size size;
    int channels;
};

}  // namespace mertool
