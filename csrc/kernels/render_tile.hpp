// One tile of the mosaic for all frames of a clip: the inner loop of `render`, once in plain C++, once for AVX2, once
// for AVX-512.
//
// The arithmetic is in whole numbers with stated roundings, so it is the same on every path, and the same mirrored:
//   coordinate  a row's start plus the way along it, each rounded to multiples of 2^-15 px (nothing is lost where the
//               transform's entries are such multiples), clamped to the frame (so the edge is repeated);
//   horizontal  64 p0 + round((p1 - p0) f / 2^9): grey levels times 2^6, f the fraction in 0..2^15;
//   vertical    top + round((bottom - top) f / 2^15);
//   tone        gain v + bias in float32, clipped to 0..255, rounded half to even.
// The two interpolations together are within 2^-6 grey levels of the exact value.
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

// From multiples of 2^-31 px to multiples of 2^-15 px.
inline std::int64_t to_grid(std::int64_t coordinate) { return (coordinate + (1 << 15)) >> 16; }

void render_tile_plain(const TileJob& job);
void render_tile_avx2(const TileJob& job);
void render_tile_avx512(const TileJob& job);

// Grey levels normalised; `past_cache` where the result is so large that it would only push other things out.
void normalise_plain(const std::uint8_t* grey, std::int64_t n, bool past_cache, float* out);
void normalise_avx2(const std::uint8_t* grey, std::int64_t n, bool past_cache, float* out);

}  // namespace mertool
