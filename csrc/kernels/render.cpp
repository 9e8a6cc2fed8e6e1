#include "render.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "parallel.hpp"
#include "render_tile.hpp"
#include "simd.hpp"

namespace mertool {
namespace {

constexpr std::int64_t streamed_from = std::int64_t{1} << 23;  // 32 MiB of floats: a training batch stays in the cache

std::int64_t to_fixed(float value) { return std::llrint(static_cast<double>(value) * 2147483648.0); }

bool reaches_too_far(const float* row, const Size& tile) {
    // A tile one pixel wide or high is checked as if it had two, which bounds every entry.
    const double right = static_cast<double>(std::max<std::int64_t>(tile.width - 1, 1)) * row[0];
    const double down = static_cast<double>(std::max<std::int64_t>(tile.height - 1, 1)) * row[1];
    const double start = row[2];
    const double furthest =
        std::max({std::abs(start), std::abs(start + right), std::abs(start + down), std::abs(start + right + down)});
    return furthest > max_coordinate_px;
}

FixedTransform check_transform(const float* given, const Size& tile, std::int64_t clip, std::int64_t region) {
    // A copy, since another thread could change the caller's array after the check.
    float m[6];
    std::copy_n(given, 6, m);
    const auto throw_invalid = [&](const char* what) {
        throw std::invalid_argument("render: transforms[" + std::to_string(clip) + ", " + std::to_string(region) +
                                    "] (clip, region) " + what);
    };
    if (!std::all_of(m, m + 6, [](float value) { return std::isfinite(value); })) throw_invalid("is not finite");
    if (reaches_too_far(m, tile) || reaches_too_far(m + 3, tile))
        throw_invalid("leads beyond 30000 px from the origin");
    return {to_fixed(m[0]), to_fixed(m[1]), to_fixed(m[2]), to_fixed(m[3]), to_fixed(m[4]), to_fixed(m[5])};
}

constexpr std::int32_t finest_tone = 21;  // shift of a gain of 1

bool fits(double gain, double bias) {
    return std::abs(std::llrint(gain)) <= std::numeric_limits<std::int16_t>::max() && std::abs(bias) <= 1 << 30;
}

Tone to_fixed(float given_gain, float given_bias) {
    const double gain = static_cast<double>(given_gain) / columns_total;
    const double bias = static_cast<double>(given_bias) + 0.5;
    std::int32_t shift = finest_tone;
    while (!fits(std::ldexp(gain, shift), std::ldexp(bias, shift))) --shift;
    return {static_cast<std::int16_t>(std::llrint(std::ldexp(gain, shift))),
            static_cast<std::int32_t>(std::llrint(std::ldexp(bias, shift))), shift};
}

// The same work with each instruction set.
struct Kernels {
    void (*render_tile)(const TileJob&);
    void (*normalise)(const std::uint8_t* grey, std::int64_t n, bool past_cache, float* out);
};

Kernels kernels_in_use() {
    switch (simd_in_use()) {
        case Simd::avx512:
            return {render_tile_avx512, normalise_avx2};
        case Simd::avx2:
            return {render_tile_avx2, normalise_avx2};
        default:
            return {render_tile_plain, normalise_plain};
    }
}

void render_clip(const RenderPlan& plan, const Kernels& kernels, std::int64_t clip, std::uint8_t* out) {
    const Mosaic& mosaic = plan.mosaic;
    const auto row_stride = static_cast<std::ptrdiff_t>(mosaic.size().width);
    const auto frame_stride = static_cast<std::ptrdiff_t>(mosaic.pixels());
    const auto n = static_cast<std::size_t>(clip);
    const FixedTransform* const transforms = plan.transforms.data() + clip * mosaic.regions();
    for (std::int64_t r = 0; r < mosaic.regions(); ++r) {
        std::uint8_t* const corner =
            out + r / mosaic.columns * mosaic.tile.height * row_stride + r % mosaic.columns * mosaic.tile.width;
        const TileJob job{&plan.source, plan.clips[n], transforms[r], plan.tones[n],
                          mosaic.tile,  corner,        frame_stride,  row_stride};
        kernels.render_tile(job);
    }
}

}  // namespace

RenderPlan plan_render(const FrameStack& source, const Mosaic& mosaic, std::int64_t n, const std::int64_t* clips,
                       const float* transforms, const float* tones) {
    RenderPlan plan{source, mosaic, {}, {}, {}};
    plan.clips.reserve(static_cast<std::size_t>(n));
    plan.transforms.reserve(static_cast<std::size_t>(n * mosaic.regions()));
    plan.tones.reserve(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t clip = clips == nullptr ? i : clips[i];
        if (clip < 0 || clip >= source.clips) {
            throw std::invalid_argument("render: clips[" + std::to_string(i) + "] must be in 0.." +
                                        std::to_string(source.clips - 1) + " (rows of frames), got " +
                                        std::to_string(clip));
        }
        plan.clips.push_back(source.data + clip * source.clip_stride);
        for (std::int64_t r = 0; r < mosaic.regions(); ++r) {
            plan.transforms.push_back(check_transform(transforms + (i * mosaic.regions() + r) * 6, mosaic.tile, i, r));
        }
        const float gain = tones[2 * i];
        const float bias = tones[2 * i + 1];
        if (!(std::abs(gain) <= max_tone && std::abs(bias) <= max_tone)) {
            throw std::invalid_argument("render: tone[" + std::to_string(i) +
                                        "] (clip) must be a gain and a bias in -1000000..1000000, got " +
                                        std::to_string(gain) + ", " + std::to_string(bias));
        }
        plan.tones.push_back(to_fixed(gain, bias));
    }
    return plan;
}

void render(const RenderPlan& plan, int threads, bool /*fresh*/, std::uint8_t* out) {
    const auto n = static_cast<std::int64_t>(plan.clips.size());
    const Kernels kernels = kernels_in_use();
    for_each_item(n, count_workers(n, threads), [&](std::int64_t clip, int) {
        render_clip(plan, kernels, clip, out + clip * plan.pixels_per_clip());
    });
}

void render(const RenderPlan& plan, int threads, bool fresh, float* out) {
    const auto n = static_cast<std::int64_t>(plan.clips.size());
    const Kernels kernels = kernels_in_use();
    const int workers = count_workers(n, threads);
    const std::int64_t pixels = plan.pixels_per_clip();
    const bool past_cache = !fresh && n * pixels > streamed_from;
    std::vector<std::uint8_t> grey(static_cast<std::size_t>(workers * pixels));
    for_each_item(n, workers, [&](std::int64_t clip, int worker) {
        std::uint8_t* const levels = grey.data() + worker * pixels;
        render_clip(plan, kernels, clip, levels);
        float* const normal = out + clip * pixels;
        kernels.normalise(levels, pixels, past_cache, normal);
    });
}

}  // namespace mertool
