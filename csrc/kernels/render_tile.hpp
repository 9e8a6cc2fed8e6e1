// One tile of the mosaic for all frames of a clip: the inner loop of `render`, once each in plain C++, for
// AVX2 and for AVX-512.
//
// The arithmetic is in whole numbers with stated roundings, so it is the same on every path, and the same mirrored:
//   coordinate  a row's start plus the way along it, each rounded to multiples of 2^-15 px (nothing is lost where the
//               transform's entries are such multiples), clamped to the frame (so the edge is repeated);
//   columns     (126 - r) p0 + r p1, r = round(126 f), a half to the even one: 126 times a grey level, f the fraction;
//   rows, tone  (top (gain - g) + bottom g + bias) / 2^shift, rounded half up, g = round(gain f) half up; see `Tone`;
//   result      clipped to 0..255.
// Columns are thus within 1/252 px of where they should be; all else together adds less than 2^-5 max(1, |gain|)
// levels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "render.hpp"

namespace mertool {

// Weights of two neighbours together: as many as let 255 times them fit 16 bits, even so that a half has a middle.
inline constexpr std::int32_t columns_total = 126;

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
