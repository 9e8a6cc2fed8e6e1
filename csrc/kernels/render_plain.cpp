#include <algorithm>

#include "normalise.hpp"
#include "render_tile.hpp"

namespace mertool {
namespace {

constexpr std::int32_t one = 1 << 15;
constexpr std::int64_t chunk = 64;  // pixels of a row whose geometry is computed once for all frames

struct Position {
    std::int32_t whole;
    std::int32_t fraction;  // 0..2^15; 2^15 only in the last pixel, so that its right neighbour always exists
};

Position split(std::int64_t coordinate, std::int64_t size) {
    const auto clamped = static_cast<std::int32_t>(std::clamp<std::int64_t>(coordinate, 0, (size - 1) * one));
    const std::int32_t whole = std::min(clamped / one, std::max(static_cast<std::int32_t>(size) - 2, 0));
    return {whole, clamped - whole * one};
}

std::int32_t mix_columns(std::int32_t left, std::int32_t right, std::int32_t fraction) {
    // At a quarter and three quarters the weight is a half more than a whole number; only the latter's would become
    // odd.
    const std::int32_t half = (1 << 14) - (fraction == 3 << 13 ? 1 : 0);
    const std::int32_t weight = (columns_total * fraction + half) >> 15;
    return left * (columns_total - weight) + right * weight;
}

std::uint8_t mix_rows(std::int32_t top, std::int32_t bottom, std::int32_t fraction, const Tone& tone) {
    const std::int32_t weight = (tone.gain * fraction + (1 << 14)) >> 15;
    const std::int32_t level = (top * (tone.gain - weight) + bottom * weight + tone.bias) >> tone.shift;
    return static_cast<std::uint8_t>(std::clamp(level, 0, 255));
}

}  // namespace

void render_tile_plain(const TileJob& job) {
    const FrameStack& source = *job.source;
    const FixedTransform& m = job.transform;
    const std::ptrdiff_t right = source.size.width > 1 ? 1 : 0;
    const std::ptrdiff_t below = source.size.height > 1 ? source.row_stride : 0;
    Position columns[chunk];
    Position rows[chunk];

    for (std::int64_t y = 0; y < job.tile.height; ++y) {
        const std::int64_t row_x = to_grid(m.xy * y + m.x0);
        const std::int64_t row_y = to_grid(m.yy * y + m.y0);
        for (std::int64_t start = 0; start < job.tile.width; start += chunk) {
            const std::int64_t count = std::min(chunk, job.tile.width - start);
            for (std::int64_t i = 0; i < count; ++i) {
                columns[i] = split(row_x + to_grid(m.xx * (start + i)), source.size.width);
                rows[i] = split(row_y + to_grid(m.yx * (start + i)), source.size.height);
            }
            for (std::int64_t t = 0; t < source.frames; ++t) {
                const std::uint8_t* const frame = job.first_frame + t * source.frame_stride;
                std::uint8_t* const out = job.out + t * job.out_frame_stride + y * job.out_row_stride + start;
                for (std::int64_t i = 0; i < count; ++i) {
                    const std::uint8_t* const p = frame + rows[i].whole * source.row_stride + columns[i].whole;
                    const std::int32_t top = mix_columns(p[0], p[right], columns[i].fraction);
                    const std::int32_t bottom = mix_columns(p[below], p[below + right], columns[i].fraction);
                    out[i] = mix_rows(top, bottom, rows[i].fraction, job.tone);
                }
            }
        }
    }
}

void normalise_plain(const std::uint8_t* grey, std::int64_t n, bool /*past_cache*/, float* out) {
    Sums sums;
    add_up(grey, n, sums);
    normalise(grey, n, scale_of(sums, n), out);
}

}  // namespace mertool
