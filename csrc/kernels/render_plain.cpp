#include <algorithm>
#include <cmath>

#include "render_tile.hpp"

namespace mertool {
namespace {

constexpr std::int32_t one = 1 << 15;

struct Position {
    std::int32_t whole;
    std::int32_t fraction;  // 0..2^15; 2^15 only in the last pixel, so that its right neighbour always exists
};

Position split(std::int64_t coordinate, std::int64_t size) {
    const std::int64_t rounded = (coordinate + (1 << 15)) >> 16;
    const auto clamped = static_cast<std::int32_t>(std::clamp<std::int64_t>(rounded, 0, (size - 1) * one));
    const std::int32_t whole = std::min(clamped / one, std::max(static_cast<std::int32_t>(size) - 2, 0));
    return {whole, clamped - whole * one};
}

}  // namespace

void render_tile_plain(const TileJob& job, std::int32_t* scratch) {
    const FrameStack& source = *job.source;
    const FixedTransform& m = job.transform;
    const auto width = static_cast<std::size_t>(job.tile.width);
    std::int32_t* const whole_x = scratch;
    std::int32_t* const whole_y = whole_x + width;
    std::int32_t* const fraction_x = whole_y + width;
    std::int32_t* const fraction_y = fraction_x + width;
    const std::ptrdiff_t right = source.size.width > 1 ? 1 : 0;
    const std::ptrdiff_t below = source.size.height > 1 ? source.row_stride : 0;
    const float gain = job.tone.gain / static_cast<float>(1 << 22);

    for (std::int64_t y = 0; y < job.tile.height; ++y) {
        for (std::size_t x = 0; x < width; ++x) {
            const auto column = static_cast<std::int64_t>(x);
            const Position px = split(m.xx * column + m.xy * y + m.x0, source.size.width);
            const Position py = split(m.yx * column + m.yy * y + m.y0, source.size.height);
            whole_x[x] = px.whole;
            whole_y[x] = py.whole;
            fraction_x[x] = px.fraction;
            fraction_y[x] = py.fraction;
        }
        for (std::int64_t t = 0; t < source.frames; ++t) {
            const std::uint8_t* const frame = job.first_frame + t * source.frame_stride;
            std::uint8_t* const out = job.out + t * job.out_frame_stride + y * job.out_row_stride;
            for (std::size_t x = 0; x < width; ++x) {
                const std::uint8_t* const p = frame + whole_y[x] * source.row_stride + whole_x[x];
                const std::int32_t fx = fraction_x[x];
                const std::int32_t fy = fraction_y[x];
                const std::int32_t top = (p[0] * (one - fx) + p[right] * fx + 255) >> 8;
                const std::int32_t bottom = (p[below] * (one - fx) + p[below + right] * fx + 255) >> 8;
                const auto grey = static_cast<float>(top * (one - fy) + bottom * fy);
                const float toned = std::clamp(grey * gain + job.tone.bias, 0.0F, 255.0F);
                out[x] = static_cast<std::uint8_t>(std::lrint(toned));
            }
        }
    }
}

}  // namespace mertool
