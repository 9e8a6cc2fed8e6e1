// One tile of the mosaic for all frames of a clip: the inner loop of `render`, once in plain C++, once for AVX2.
//
// The arithmetic is in whole numbers with stated roundings, so it is the same on every path, and the same mirrored:
//   coordinate  rounded to multiples of 2^-15 px, clamped to the frame (so the edge is repeated);
//   horizontal  128 p0 + round((p1 - p0) f / 2^8): grey levels times 2^7, f the fraction in 0..2^15;
//   vertical    top + round((bottom - top) f / 2^15);
//   tone        gain v + bias in float32, clipped to 0..255, rounded half to even.
// The two interpolations together are within 2^-7 grey levels of the exact value.
#pragma once

#include <cstddef>
#include <cstdint>

#include "render.hpp"

namespace mertool {

struct TileJob {
    const FrameStack* source;
    const std::uint8_t* first_frame;
    FixedTransform transform;
    Tone tone;
    Size tile;
    std::uint8_t* out;  // top left pixel in the first frame's mosaic
    std::ptrdiff_t out_frame_stride;
    std::ptrdiff_t out_row_stride;
};

void render_tile_plain(const TileJob& job);
void render_tile_avx2(const TileJob& job);

}  // namespace mertool
