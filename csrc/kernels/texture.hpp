// texture: local binary patterns (LBP) and centralised binary patterns (CBP) on the three orthogonal planes of a clip,
// as codes of its voxels or counted into histograms.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "view.hpp"

namespace mertool {

inline constexpr int max_points = 16;
inline constexpr int max_radius = 64;
inline constexpr int planes = 3;  // XY, XT, YT

struct TextureSettings {
    bool centralised;          // CBP instead of LBP
    int points;                // P: 4, 8 or 16 samples on the circle
    std::array<int, 3> radii;  // along x, y, t
    bool bilinear;             // LBP: interpolate between pixels, else the nearest one
    int threshold;             // CBP: C in grey levels
    bool with_sign;            // CBP: x >= C, else |x| >= C

    int bins() const { return 1 << (centralised ? points / 2 + 1 : points); }
};

// N contiguous clips of T frames.
struct Volumes {
    const std::uint8_t* data;
    std::int64_t count;
    std::int64_t frames;
    Size size;

    std::int64_t voxels() const { return frames * size.height * size.width; }
};

// Blocks along t, y and x; block k of b covers the voxels from k * size / b up to (k + 1) * size / b.
using Blocks = std::array<std::int64_t, 3>;

// Codes of the voxels of one clip whose circles lie inside it: planes x (T - 2 rt) x (H - 2 ry) x (W - 2 rx).
void texture_codes(const TextureSettings& settings, const Volumes& clip, std::uint16_t* out);

// Counts of those codes: N x blocks x planes x bins, zeroed by the caller. Clips are shared out to `threads`.
void texture_counts(const TextureSettings& settings, const Volumes& clips, const Blocks& blocks, int threads,
                    std::uint32_t* out);

}  // namespace mertool
