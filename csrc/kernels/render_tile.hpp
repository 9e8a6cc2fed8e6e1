// One tile of the mosaic for all frames of a clip: the inner loop of `render`, once in plain C++, once for AVX2.
//
// The arithmetic is exact up to two stated roundings, and so the same on every path, and the same mirrored:
//   coordinate  whole multiples of 2^-15 px (the only rounding of geometry), clamped to the frame: the edge repeats;
//   horizontal  p0 (2^15 - f) + p1 f, exact in 24 bits, then rounded up to multiples of 2^-7 grey levels;
//   vertical    the same, exact in 31 bits: the grey level v times 2^22;
//   tone        gain v + bias in float32, clipped to 0..255, rounded half to even.
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

// Room for the geometry of one row: four numbers a pixel, in whole groups of eight.
inline std::size_t scratch_size(const Size& tile) { return 4 * (static_cast<std::size_t>(tile.width) + 8); }

void render_tile_plain(const TileJob& job, std::int32_t* scratch);
void render_tile_avx2(const TileJob& job, std::int32_t* scratch);

// AVX2 reads four bytes at once and addresses a frame with 32 bits.
bool fits_avx2(const FrameStack& source);

}  // namespace mertool
