#include "render_tile.hpp"
#include "simd.hpp"

#if MERTOOL_HAS_AVX512
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header leaves a register undefined on purpose, and GCC 12 warns of it (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdlib>
#endif

namespace mertool {

#if MERTOOL_HAS_AVX512
namespace {

// A group of 32 neighbours of an output row lies on a short line through the frame: where the line is flat, one window
// of 64 bytes a frame row holds all that the group needs of that row, where it is steep, two windows of 32 bytes, one
// for each half. One permutation of bytes a row then picks each pixel and its right neighbour out. What to pick is
// worked out once and stays in registers for all frames of the clip.
//
// Interleaving the frames of a clip first, so that one pick serves them all, does not pay: it touches all of every
// frame, and measured takes as long (15 us, OpenCV's merge) as rendering the clip's whole mosaic from the frames as
// they are.
constexpr std::int64_t group = 32;
constexpr std::int64_t groups_at_once = 4;
constexpr std::int64_t rows_at_once = 8;
constexpr std::int64_t max_rows = 7;   // one more than there are masks
constexpr std::int32_t one = 1 << 15;  // a pixel
constexpr std::int32_t fraction_bits = one - 1;

// How many pixels a strip of `count` neighbours may span.
std::int64_t span(std::int64_t step, std::int64_t count) {
    constexpr std::int64_t pixel = std::int64_t{1} << 31;
    return (std::abs(step) * (count - 1) + pixel - 1) / pixel;
}

// Where the pixels of a group lie, from the lowest coordinate of their strip (which is at a row's start plus `lowest`).
struct alignas(64) Group {
    std::uint16_t fraction_x[group];  // of a pixel, in multiples of 2^-15
    std::uint16_t fraction_y[group];
    std::uint16_t place[group];  // byte of the register, and 256 times the window's row
    std::int64_t lowest_x[2];    // of each strip
    std::int64_t lowest_y[2];
    std::uint32_t valid;  // a bit for each pixel that is in the tile
};

struct Range {
    std::int64_t low, high;
};

Range range_of(std::int64_t a, std::int64_t b) { return {std::min(a, b), std::max(a, b)}; }

// to_grid(step * (first + i)) - to_grid(step * first) for i = 0, 1, ..., the last one repeated.
template <int Count>
MERTOOL_AVX512 inline void walk(std::int64_t step, std::int64_t first, std::int64_t last, std::int32_t* way) {
    const auto whole = static_cast<std::int32_t>(step >> 16);
    const auto rest = static_cast<std::int32_t>(step & 0xffff);
    const auto start = static_cast<std::int32_t>((step * first + one) & 0xffff);
    const auto most = static_cast<std::int32_t>(last - first);
    for (std::int32_t i = 0; i < Count; ++i) {
        const std::int32_t n = std::min(i, most);
        way[i] = n * whole + ((n * rest + start) >> 16);
    }
}

// False if a window would leave the frame.
template <int Strips, int Rows>
MERTOOL_AVX512 inline bool make_group(const TileJob& job, const Range& row_x, const Range& row_y, std::int64_t start,
                                      Group& out) {
    constexpr std::int64_t strip = group / Strips;
    constexpr std::int64_t window = 64 / Strips;
    const FixedTransform& m = job.transform;
    const Size& frame = job.source->size;
    const std::int64_t count = std::min(group, job.tile.width - start);
    out.valid = static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
    for (std::int64_t s = 0; s < Strips; ++s) {
        const std::int64_t first = std::min(start + s * strip, job.tile.width - 1);
        const std::int64_t last = std::min(first + strip, job.tile.width) - 1;
        const Range x = range_of(to_grid(m.xx * first), to_grid(m.xx * last));
        const Range y = range_of(to_grid(m.yx * first), to_grid(m.yx * last));
        // Near the frame's right edge the windows start further left.
        const std::int64_t shift = std::max<std::int64_t>(((row_x.high + x.low) >> 15) + window - frame.width, 0);
        const bool inside = ((row_x.low + x.low) >> 15) >= shift &&
                            shift + ((x.high - x.low + fraction_bits) >> 15) + 1 < window && row_y.low + y.low >= 0 &&
                            ((row_y.high + y.low) >> 15) + Rows < frame.height;
        if (!inside) return false;
        out.lowest_x[s] = x.low - shift * one;
        out.lowest_y[s] = y.low;
        std::int32_t way_x[strip];
        std::int32_t way_y[strip];
        walk<strip>(m.xx, first, last, way_x);
        walk<strip>(m.yx, first, last, way_y);
        const auto back_x = static_cast<std::int32_t>(to_grid(m.xx * first) - x.low);
        const auto back_y = static_cast<std::int32_t>(to_grid(m.yx * first) - y.low);
        const auto byte = static_cast<std::int32_t>(s * window + shift);
        for (std::int64_t i = 0; i < strip; ++i) {
            const std::int32_t along_x = way_x[i] + back_x;
            const std::int32_t along_y = way_y[i] + back_y;
            const std::int64_t at = s * strip + i;
            out.fraction_x[at] = static_cast<std::uint16_t>(along_x & fraction_bits);
            out.fraction_y[at] = static_cast<std::uint16_t>(along_y & fraction_bits);
            out.place[at] = static_cast<std::uint16_t>(byte + (along_x >> 15) + (along_y >> 15) * 256);
        }
    }
    return true;
}

struct Plan {
    __m512i pick;  // bytes of each pixel and its right neighbour
    __m512i row;   // of windows, in which these bytes lie
    __m512i weight_x;
    __m512i weight_y;
    std::ptrdiff_t offset[2];  // of each strip's first window
};

template <int Strips>
MERTOOL_AVX512 inline __m512i of_strips(std::int64_t low, std::int64_t high) {
    const __m512i all = _mm512_set1_epi16(static_cast<std::int16_t>(low & fraction_bits));
    if constexpr (Strips == 1) return all;
    return _mm512_mask_set1_epi16(all, 0xffff0000U, static_cast<std::int16_t>(high & fraction_bits));
}

template <int Strips>
MERTOOL_AVX512 inline Plan plan_group(const Group& at, std::int64_t row_x, std::int64_t row_y,
                                      std::ptrdiff_t row_stride) {
    const std::int64_t x[2] = {row_x + at.lowest_x[0], row_x + at.lowest_x[1]};
    const std::int64_t y[2] = {row_y + at.lowest_y[0], row_y + at.lowest_y[1]};
    const __m512i sum_x = _mm512_add_epi16(_mm512_load_si512(at.fraction_x), of_strips<Strips>(x[0], x[1]));
    const __m512i sum_y = _mm512_add_epi16(_mm512_load_si512(at.fraction_y), of_strips<Strips>(y[0], y[1]));
    const __m512i fraction = _mm512_set1_epi16(fraction_bits);
    __m512i place = _mm512_load_si512(at.place);
    place = _mm512_mask_add_epi16(place, _mm512_movepi16_mask(sum_x), place, _mm512_set1_epi16(1));
    place = _mm512_mask_add_epi16(place, _mm512_movepi16_mask(sum_y), place, _mm512_set1_epi16(256));
    const __m512i low_bytes =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14));
    const __m512i high_bytes = _mm512_add_epi8(low_bytes, _mm512_set1_epi8(1));
    Plan plan;
    plan.pick = _mm512_add_epi8(_mm512_shuffle_epi8(place, low_bytes), _mm512_set1_epi16(0x0100));
    plan.row = _mm512_shuffle_epi8(place, high_bytes);
    plan.weight_x = _mm512_and_si512(sum_x, fraction);
    plan.weight_y = _mm512_and_si512(sum_y, fraction);
    plan.offset[0] = (y[0] >> 15) * row_stride + (x[0] >> 15);
    plan.offset[1] = Strips == 1 ? 0 : (y[1] >> 15) * row_stride + (x[1] >> 15);
    return plan;
}

template <int Strips>
MERTOOL_AVX512 inline __m512i load_windows(const std::uint8_t* low, const std::uint8_t* high) {
    if constexpr (Strips == 1) return _mm512_loadu_si512(low);
    const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)),
                              1);
}

// Pairs of neighbours interpolated along x, times 2^6.
MERTOOL_AVX512 inline __m512i mix_columns(__m512i pairs, __m512i weight) {
    const __m512i left = _mm512_maddubs_epi16(pairs, _mm512_set1_epi16(0x0040));
    const __m512i rise = _mm512_maddubs_epi16(pairs, _mm512_set1_epi16(0x40c0));
    return _mm512_add_epi16(left, _mm512_mulhrs_epi16(rise, weight));
}

struct Toning {
    __m512 gain, gain_of_magic, bias;
};

// Below a half 0x4b00 a grey level is the number 2^23 + grey: the fused step takes it off again, which is exact.
constexpr float magic = 8388608.0F;

MERTOOL_AVX512 inline __m512i tone_sixteen(__m512i grey, const Toning& tone) {
    const __m512 scaled = _mm512_fmsub_ps(_mm512_castsi512_ps(grey), tone.gain, tone.gain_of_magic);
    return _mm512_cvtps_epi32(_mm512_add_ps(scaled, tone.bias));
}

MERTOOL_AVX512 inline __m256i tone_group(__m512i grey, const Toning& tone) {
    const __m512i high_half = _mm512_set1_epi16(0x4b00);
    const __m512i levels = _mm512_packs_epi32(tone_sixteen(_mm512_unpacklo_epi16(grey, high_half), tone),
                                              tone_sixteen(_mm512_unpackhi_epi16(grey, high_half), tone));
    const __m512i bytes = _mm512_packus_epi16(levels, levels);
    return _mm512_castsi512_si256(_mm512_permutexvar_epi64(_mm512_set_epi64(0, 0, 0, 0, 6, 4, 2, 0), bytes));
}

// Asks for what the rows after next will read: measured, the processor does not foresee a tile's way through the frame.
// An address outside the frame does no harm.
template <int Strips, int Rows>
MERTOOL_AVX512 inline void prefetch_rows(const std::uint8_t* low, const std::uint8_t* high, std::ptrdiff_t row_stride) {
    constexpr std::uintptr_t last = 64 / Strips - 1;
    const std::uint8_t* const strips[] = {low, high};
    for (int s = 0; s < Strips; ++s) {
        const auto row =
            reinterpret_cast<std::uintptr_t>(strips[s]) + static_cast<std::uintptr_t>((Rows + 3) * row_stride);
        const auto next = row + static_cast<std::uintptr_t>(row_stride);
        for (const std::uintptr_t at : {row, row + last, next, next + last}) {
            _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
        }
    }
}

template <int Strips, int Rows>
MERTOOL_AVX512 inline __m256i render_group(const std::uint8_t* frame, std::ptrdiff_t row_stride, const Plan& plan,
                                           const Toning& tone) {
    const std::uint8_t* low = frame + plan.offset[0];
    const std::uint8_t* high = frame + plan.offset[1];
    prefetch_rows<Strips, Rows>(low, high, row_stride);
    __m512i top = _mm512_permutexvar_epi8(plan.pick, load_windows<Strips>(low, high));
    low += row_stride;
    high += row_stride;
    __m512i window = load_windows<Strips>(low, high);
    __m512i bottom = _mm512_permutexvar_epi8(plan.pick, window);
#pragma GCC unroll 7
    for (int r = 1; r < Rows; ++r) {
        // In this row or below; the same for all frames, so the compiler takes it out of their loop.
        const __mmask64 here = _mm512_cmpge_epu8_mask(plan.row, _mm512_set1_epi8(static_cast<char>(r)));
        top = _mm512_mask_permutexvar_epi8(top, here, plan.pick, window);
        low += row_stride;
        high += row_stride;
        window = load_windows<Strips>(low, high);
        bottom = _mm512_mask_permutexvar_epi8(bottom, here, plan.pick, window);
    }
    const __m512i above = mix_columns(top, plan.weight_x);
    const __m512i below = mix_columns(bottom, plan.weight_x);
    const __m512i grey = _mm512_add_epi16(above, _mm512_mulhrs_epi16(_mm512_sub_epi16(below, above), plan.weight_y));
    return tone_group(grey, tone);
}

MERTOOL_AVX512 inline void store(std::uint8_t* out, std::uint32_t valid, __m256i levels) {
    if (valid == 0xffffffffU) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), levels);
    } else {
        _mm256_mask_storeu_epi8(out, valid, levels);
    }
}

// Asks for the same place in the next clip's mosaic, to be there when this one is done.
MERTOOL_AVX512 inline void prefetch_next_clip(const std::uint8_t* out, std::ptrdiff_t clip_stride) {
    const auto at = reinterpret_cast<std::uintptr_t>(out) + static_cast<std::uintptr_t>(clip_stride);
    __builtin_prefetch(reinterpret_cast<const void*>(at), 1, 2);
}

// The rows from `first` to `end` of a group, whose pixels begin in column `start` of the tile.
template <int Strips, int Rows>
MERTOOL_AVX512 inline void render_rows(const TileJob& job, const Group& at, std::int64_t first, std::int64_t end,
                                       std::int64_t start) {
    // Copied, since for all the compiler knows bytes that are written could be part of the job.
    const FixedTransform m = job.transform;
    const std::int64_t frames = job.source->frames;
    const std::ptrdiff_t row_stride = job.source->row_stride;
    const std::ptrdiff_t frame_stride = job.source->frame_stride;
    const std::ptrdiff_t out_stride = job.out_frame_stride;
    const std::ptrdiff_t out_row_stride = job.out_row_stride;
    const std::uint32_t valid = at.valid;
    const float gain = job.tone.gain / 64.0F;
    const Toning tone{_mm512_set1_ps(gain), _mm512_set1_ps(gain * magic), _mm512_set1_ps(job.tone.bias)};
    std::uint8_t* row = job.out + first * out_row_stride + start;
    Plan plan = plan_group<Strips>(at, to_grid(m.xy * first + m.x0), to_grid(m.yy * first + m.y0), row_stride);
    for (std::int64_t y = first; y < end; ++y) {
        // Planned before this row is rendered, or the processor would wait for the plan: measured, a tenth of the time.
        const std::int64_t below = y + 1;
        const Plan next =
            plan_group<Strips>(at, to_grid(m.xy * below + m.x0), to_grid(m.yy * below + m.y0), row_stride);
        const std::uint8_t* frame = job.first_frame;
        std::uint8_t* out = row;
        for (std::int64_t t = 0; t < frames; ++t) {
            store(out, valid, render_group<Strips, Rows>(frame, row_stride, plan, tone));
            prefetch_next_clip(out, frames * out_stride);
            frame += frame_stride;
            out += out_stride;
        }
        row += out_row_stride;
        plan = next;
    }
}

template <int Strips, int Rows>
MERTOOL_AVX512 bool render_tile_with(const TileJob& job) {
    const FixedTransform& m = job.transform;
    const Size& tile = job.tile;
    const Range row_x = range_of(to_grid(m.x0), to_grid(m.xy * (tile.height - 1) + m.x0));
    const Range row_y = range_of(to_grid(m.y0), to_grid(m.yy * (tile.height - 1) + m.y0));
    Group groups[groups_at_once];

    for (std::int64_t start = 0; start < tile.width; start += groups_at_once * group) {
        std::int64_t n = 0;
        for (std::int64_t x = start; x < tile.width && n < groups_at_once; x += group, ++n) {
            if (!make_group<Strips, Rows>(job, row_x, row_y, x, groups[n])) return false;
        }
        // A few rows at a time, so that neighbouring groups find what they share in the cache.
        for (std::int64_t first = 0; first < tile.height; first += rows_at_once) {
            const std::int64_t end = std::min(first + rows_at_once, tile.height);
            for (std::int64_t g = 0; g < n; ++g) {
                render_rows<Strips, Rows>(job, groups[g], first, end, start + g * group);
            }
        }
    }
    return true;
}

// False if not all of the tile can be rendered so.
bool render_inside(const TileJob& job) {
    switch (span(job.transform.yx, group) + 1) {  // rows that a whole group may meet
        case 1:
        case 2:
            return render_tile_with<1, 2>(job);
        case 3:
            return render_tile_with<1, 3>(job);
        case 4:
            return render_tile_with<1, 4>(job);
        case 5:
            return render_tile_with<1, 5>(job);
    }
    switch (span(job.transform.yx, group / 2) + 1) {
        case 3:
            return render_tile_with<2, 3>(job);
        case 4:
            return render_tile_with<2, 4>(job);
        case 5:
            return render_tile_with<2, 5>(job);
        case 6:
            return render_tile_with<2, 6>(job);
        case 7:
            return render_tile_with<2, 7>(job);
    }
    return false;
}

TileJob rows_of(const TileJob& job, std::int64_t first, std::int64_t count) {
    TileJob part = job;
    part.transform.x0 += part.transform.xy * first;
    part.transform.y0 += part.transform.yy * first;
    part.tile.height = count;
    part.out += first * part.out_row_stride;
    return part;
}

}  // namespace

// Where windows would leave the frame, the rows are halved until most lie in parts that can be rendered so.
void render_tile_avx512(const TileJob& job) {
    const bool suits = span(job.transform.xx, group) + 1 < 64 && span(job.transform.yx, group / 2) < max_rows;
    if (suits && render_inside(job)) return;
    const std::int64_t half = job.tile.height / 2;
    if (!suits || half < 8) return render_tile_avx2(job);
    render_tile_avx512(rows_of(job, 0, half));
    render_tile_avx512(rows_of(job, half, job.tile.height - half));
}

#else

void render_tile_avx512(const TileJob& job) { render_tile_plain(job); }

#endif

}  // namespace mertool
