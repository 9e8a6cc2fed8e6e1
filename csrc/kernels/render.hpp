// render: region warp, rotation, mirror, contrast and mosaic of all frames of a clip in a single interpolation.
#pragma once

#include <cstdint>
#include <vector>

#include "view.hpp"

namespace mertool {

inline constexpr std::int64_t max_frame_side = 32768;  // Coordinates are 32 bits wide, 15 of them a fraction.
inline constexpr std::int64_t max_tile_side = 16384;
inline constexpr double max_coordinate_px = 30000.0;
inline constexpr float max_tone = 1e6F;  // of gain and bias

struct Mosaic {
    std::int64_t rows;
    std::int64_t columns;
    Size tile;

    std::int64_t regions() const { return rows * columns; }
    Size size() const { return {rows * tile.height, columns * tile.width}; }
    std::int64_t pixels() const { return size().height * size().width; }
};

// A checked 2x3 transform as whole multiples of 2^-31 pixels, so that coordinates are exact.
struct FixedTransform {
    std::int64_t xx, xy, x0, yx, yy, y0;
};

// In steps of 2^-shift grey levels, chosen so that gain fits 16 bits and everything computed from it 32.
struct Tone {
    std::int16_t gain;  // a 126th, since what it multiplies is 126 times a grey level
    std::int32_t bias;  // and half a grey level, so that shifting down rounds
    std::int32_t shift;
};

// Everything a call needs, checked and copied: what a caller changes meanwhile cannot lead outside the frames.
struct RenderPlan {
    FrameStack source;
    Mosaic mosaic;
    std::vector<const std::uint8_t*> clips;  // N: first frame of each clip
    std::vector<FixedTransform> transforms;  // N x regions
    std::vector<Tone> tones;                 // N

    std::int64_t pixels_per_clip() const { return source.frames * mosaic.pixels(); }
};

// `transforms` is N x regions x 2 x 3, `tones` N x 2, `clips` N rows of `source` or null for 0, 1, 2, ...
// Sizes must have been checked. Throws std::invalid_argument naming clip and region of the first bad entry.
RenderPlan plan_render(const FrameStack& source, const Mosaic& mosaic, std::int64_t n, const std::int64_t* clips,
                       const float* transforms, const float* tones);

// Writes N x T x rows*h x columns*w. Clips are shared out to `threads`; a clip never depends on how. `fresh` memory was
// never touched before: the system clears it in the cache, so that writing around the cache would take longer.
void render(const RenderPlan& plan, int threads, bool fresh, std::uint8_t* out);

// The same grey levels, less their mean and over their standard deviation (at least 1), both of the whole clip.
void render(const RenderPlan& plan, int threads, bool fresh, float* out);

}  // namespace mertool
