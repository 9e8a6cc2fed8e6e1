#include "normalise.hpp"
#include "render_tile.hpp"
#include "simd.hpp"

#if MERTOOL_HAS_AVX2
#include <immintrin.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#endif

namespace mertool {

#if MERTOOL_HAS_AVX2
namespace {

// Pixels are not gathered one by one (the gather instruction is slow, and slower still on processors patched against
// its data leak): eight neighbours of an output row lie on a short line through the frame, so that a few windows of 16
// bytes hold them all, and one byte shuffle per window picks them out. Two such strips fill a register. Where to read
// and what to pick is worked out once for all frames of the clip.
constexpr std::int64_t strip = 8;
constexpr std::int64_t group = 2 * strip;
constexpr std::int64_t chunk = 4 * group;
constexpr std::int64_t window_step = 15;  // windows overlap by a byte: a pixel and its right neighbour are in one
constexpr std::int64_t max_windows = 16;

// Windows a strip may need: `rows` frame rows (and the one below), `columns` windows in each.
struct Layout {
    std::int64_t rows;
    std::int64_t columns;
};

// How many whole pixels eight neighbours may span.
std::int64_t span(std::int64_t step) {
    constexpr std::int64_t one = std::int64_t{1} << 31;
    return (std::abs(step) * (strip - 1) + one - 1) / one;
}

bool fits(const Layout& layout, const Size& frame) {
    return layout.rows * layout.columns <= max_windows && frame.height > layout.rows &&
           frame.width > layout.columns * window_step;
}

struct alignas(32) Group {
    std::uint8_t pick[max_windows][2 * group];  // for each pixel the bytes of it and its neighbour; 0x80 for none
    std::uint8_t column_weight[2 * group];      // of each pixel and its right neighbour
    std::int16_t row_weight[2 * group];         // of the row above and the one below: pixels 0-3, 8-11, 4-7, 12-15
    std::ptrdiff_t offset[2];                   // of each strip's first window
};

// Coordinates along one axis of the frame, in multiples of 2^-15 px.
struct alignas(32) Axis {
    std::int32_t along_row[chunk];  // steps from the row's start, in groups of 0-3, 8-11, 4-7, 12-15: packing sorts
    std::int32_t last;              // last pixel with a neighbour
    std::int32_t limit;             // last coordinate
    std::int32_t last_start;        // where the windows of a strip start at most
    std::int32_t first_lane;        // byte of a strip's lowest coordinate, twice
};

// Of `count` pixels from `start` on; a strip's windows need `needed` pixels of `size`.
Axis make_axis(std::int64_t step, std::int64_t start, std::int64_t count, std::int64_t size, std::int64_t needed) {
    Axis axis;
    for (std::int64_t i = 0; i < (count + group - 1) / group * group; ++i) {
        const std::int64_t x = i % group;
        const std::int64_t place = i - x + (x / 4 % 2) * strip + x / strip * 4 + x % 4;
        axis.along_row[place] = static_cast<std::int32_t>(to_grid(step * (start + i)));
    }
    axis.last = static_cast<std::int32_t>(size - 2);
    axis.limit = static_cast<std::int32_t>((size - 1) << 15);
    axis.last_start = static_cast<std::int32_t>(size - needed);
    axis.first_lane = step < 0 ? 0x0f0e0f0e : 0x01000100;
    return axis;
}

struct Places {
    __m256i pixels;    // of sixteen coordinates
    __m256i starts;    // where the windows of their strip start
    __m256i fraction;  // times -2^15: negative, since 2^15 itself does not fit
};

struct Toning {
    __m256i gain, minus_gain, bias;
    __m128i shift;
};

MERTOOL_AVX2 inline __m256i whole_of(__m256i clamped, const Axis& axis) {
    return _mm256_min_epi32(_mm256_srli_epi32(clamped, 15), _mm256_set1_epi32(axis.last));
}

MERTOOL_AVX2 inline Places plan_axis(const Axis& axis, std::int64_t x, std::int32_t row_start) {
    const __m256i start = _mm256_set1_epi32(row_start);
    const __m256i limit = _mm256_set1_epi32(axis.limit);
    const __m256i zero = _mm256_setzero_si256();
    const __m256i* const steps = reinterpret_cast<const __m256i*>(axis.along_row + x);
    const __m256i one = _mm256_min_epi32(_mm256_max_epi32(_mm256_add_epi32(steps[0], start), zero), limit);
    const __m256i two = _mm256_min_epi32(_mm256_max_epi32(_mm256_add_epi32(steps[1], start), zero), limit);
    const __m256i whole_one = whole_of(one, axis);
    const __m256i whole_two = whole_of(two, axis);
    const __m256i fraction = _mm256_packs_epi32(_mm256_sub_epi32(_mm256_slli_epi32(whole_one, 15), one),
                                                _mm256_sub_epi32(_mm256_slli_epi32(whole_two, 15), two));
    const __m256i pixels = _mm256_packs_epi32(whole_one, whole_two);
    const __m256i lowest = _mm256_shuffle_epi8(pixels, _mm256_set1_epi32(axis.first_lane));
    return {pixels, _mm256_min_epi16(lowest, _mm256_set1_epi16(static_cast<std::int16_t>(axis.last_start))), fraction};
}

MERTOOL_AVX2 inline void weigh_columns(__m256i fraction, std::uint8_t* out) {
    const __m256i rounded = _mm256_mulhrs_epi16(fraction, _mm256_set1_epi16(-columns_total));
    // Less one where three quarters would be rounded to an odd number.
    const __m256i right = _mm256_add_epi16(rounded, _mm256_cmpeq_epi16(fraction, _mm256_set1_epi16(-(3 << 13))));
    const __m256i both =
        _mm256_add_epi16(_mm256_mullo_epi16(right, _mm256_set1_epi16(255)), _mm256_set1_epi16(columns_total));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out), both);
}

MERTOOL_AVX2 inline void weigh_rows(__m256i fraction, const Toning& tone, std::int16_t* out) {
    const __m256i lower = _mm256_mulhrs_epi16(fraction, tone.minus_gain);
    const __m256i upper = _mm256_sub_epi16(tone.gain, lower);
    __m256i* const both = reinterpret_cast<__m256i*>(out);
    _mm256_store_si256(both, _mm256_unpacklo_epi16(upper, lower));
    _mm256_store_si256(both + 1, _mm256_unpackhi_epi16(upper, lower));
}

MERTOOL_AVX2 inline void plan_group(const Axis& x_axis, const Axis& y_axis, std::int64_t x, std::int32_t row_x,
                                    std::int32_t row_y, const Layout& layout, std::ptrdiff_t row_stride,
                                    const Toning& tone, Group& out) {
    const Places column = plan_axis(x_axis, x, row_x);
    const Places row = plan_axis(y_axis, x, row_y);
    weigh_columns(column.fraction, out.column_weight);
    weigh_rows(row.fraction, tone, out.row_weight);
    const __m256i row_in_strip = _mm256_sub_epi16(row.pixels, row.starts);
    __m256i byte = _mm256_sub_epi16(column.pixels, column.starts);
    std::int64_t w = 0;
    for (std::int64_t c = 0; c < layout.columns; ++c) {
        const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi16(byte, _mm256_set1_epi16(window_step - 1)),
                                                _mm256_cmpgt_epi16(_mm256_setzero_si256(), byte));
        const __m256i pair =
            _mm256_add_epi16(_mm256_mullo_epi16(byte, _mm256_set1_epi16(0x0101)), _mm256_set1_epi16(0x0100));
        const __m256i pick = _mm256_or_si256(pair, outside);
        for (std::int64_t r = 0; r < layout.rows; ++r, ++w) {
            const __m256i here = _mm256_cmpeq_epi16(row_in_strip, _mm256_set1_epi16(static_cast<std::int16_t>(r)));
            const __m256i none = _mm256_andnot_si256(here, _mm256_set1_epi8(static_cast<char>(0x80)));
            _mm256_store_si256(reinterpret_cast<__m256i*>(out.pick[w]), _mm256_or_si256(pick, none));
        }
        byte = _mm256_sub_epi16(byte, _mm256_set1_epi16(window_step));
    }
    out.offset[0] = _mm256_extract_epi16(row.starts, 0) * row_stride + _mm256_extract_epi16(column.starts, 0);
    out.offset[1] = _mm256_extract_epi16(row.starts, 8) * row_stride + _mm256_extract_epi16(column.starts, 8);
}

MERTOOL_AVX2 inline __m256i load_two(const std::uint8_t* low, const std::uint8_t* high) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// Eight toned grey levels of rows above and below, in pairs.
MERTOOL_AVX2 inline __m256i mix_rows(__m256i rows, __m256i weight, const Toning& tone) {
    return _mm256_sra_epi32(_mm256_add_epi32(_mm256_madd_epi16(rows, weight), tone.bias), tone.shift);
}

// `Rows` is the number of window rows where it is small and one window wide, known when compiled; 0 for any layout.
template <int Rows>
MERTOOL_AVX2 inline __m128i render_group(const std::uint8_t* frame, std::ptrdiff_t row_stride, const Group& plan,
                                         const Layout& layout, const Toning& tone) {
    const std::int64_t columns = Rows > 0 ? 1 : layout.columns;
    const std::int64_t rows = Rows > 0 ? Rows : layout.rows;
    __m256i top = _mm256_setzero_si256();
    __m256i bottom = _mm256_setzero_si256();
    const __m256i* pick = reinterpret_cast<const __m256i*>(plan.pick);
    for (std::int64_t c = 0; c < columns; ++c) {
        const std::uint8_t* low = frame + plan.offset[0] + c * window_step;
        const std::uint8_t* high = frame + plan.offset[1] + c * window_step;
        __m256i bytes = load_two(low, high);
        for (std::int64_t r = 0; r < rows; ++r, ++pick) {
            top = _mm256_or_si256(top, _mm256_shuffle_epi8(bytes, *pick));
            low += row_stride;
            high += row_stride;
            bytes = load_two(low, high);
            bottom = _mm256_or_si256(bottom, _mm256_shuffle_epi8(bytes, *pick));
        }
    }
    const __m256i column_weight = _mm256_load_si256(reinterpret_cast<const __m256i*>(plan.column_weight));
    const __m256i* const row_weight = reinterpret_cast<const __m256i*>(plan.row_weight);
    const __m256i above = _mm256_maddubs_epi16(top, column_weight);
    const __m256i below = _mm256_maddubs_epi16(bottom, column_weight);
    const __m256i levels = _mm256_packs_epi32(mix_rows(_mm256_unpacklo_epi16(above, below), row_weight[0], tone),
                                              mix_rows(_mm256_unpackhi_epi16(above, below), row_weight[1], tone));
    return _mm_packus_epi16(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
}

template <int Rows>
MERTOOL_AVX2 void render_tile_with(const TileJob& job, const Layout& layout) {
    const FrameStack& source = *job.source;
    const FixedTransform& m = job.transform;
    const std::ptrdiff_t row_stride = source.row_stride;
    const auto minus_gain = static_cast<std::int16_t>(-job.tone.gain);
    const Toning tone{_mm256_set1_epi16(job.tone.gain), _mm256_set1_epi16(minus_gain), _mm256_set1_epi32(job.tone.bias),
                      _mm_cvtsi32_si128(job.tone.shift)};
    Group groups[chunk / group];

    for (std::int64_t start = 0; start < job.tile.width; start += chunk) {
        const std::int64_t count = std::min(chunk, job.tile.width - start);
        const Axis x_axis = make_axis(m.xx, start, count, source.size.width, layout.columns * window_step + 1);
        const Axis y_axis = make_axis(m.yx, start, count, source.size.height, layout.rows + 1);
        for (std::int64_t y = 0; y < job.tile.height; ++y) {
            const auto row_x = static_cast<std::int32_t>(to_grid(m.xy * y + m.x0));
            const auto row_y = static_cast<std::int32_t>(to_grid(m.yy * y + m.y0));
            for (std::int64_t x = 0; x < count; x += group) {
                plan_group(x_axis, y_axis, x, row_x, row_y, layout, row_stride, tone, groups[x / group]);
            }
            for (std::int64_t t = 0; t < source.frames; ++t) {
                const std::uint8_t* const frame = job.first_frame + t * source.frame_stride;
                std::uint8_t* const out = job.out + t * job.out_frame_stride + y * job.out_row_stride + start;
                for (std::int64_t x = 0; x < count; x += group) {
                    const __m128i levels = render_group<Rows>(frame, row_stride, groups[x / group], layout, tone);
                    if (x + group <= count) {
                        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), levels);
                    } else {
                        std::uint8_t rest[group];
                        _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), levels);
                        std::memcpy(out + x, rest, static_cast<std::size_t>(count - x));
                    }
                }
            }
        }
    }
}

MERTOOL_AVX2 Sums add_up_fast(const std::uint8_t* grey, std::int64_t n) {
    constexpr std::int64_t step = 32;
    constexpr std::int64_t block = 4096 * step;  // so many squares fit the 32 bits of a lane
    const __m256i zero = _mm256_setzero_si256();
    __m256i levels = zero;
    __m256i squares = zero;
    std::int64_t i = 0;
    while (i + step <= n) {
        const std::int64_t end = std::min(i + block, n / step * step);
        __m256i part = zero;
        for (; i < end; i += step) {
            const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(grey + i));
            const __m256i low = _mm256_unpacklo_epi8(bytes, zero);
            const __m256i high = _mm256_unpackhi_epi8(bytes, zero);
            levels = _mm256_add_epi64(levels, _mm256_sad_epu8(bytes, zero));
            part = _mm256_add_epi32(part, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
        }
        squares = _mm256_add_epi64(squares, _mm256_unpacklo_epi32(part, zero));
        squares = _mm256_add_epi64(squares, _mm256_unpackhi_epi32(part, zero));
    }
    alignas(32) std::uint64_t of_lanes[2][4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(of_lanes[0]), levels);
    _mm256_store_si256(reinterpret_cast<__m256i*>(of_lanes[1]), squares);
    Sums sums{std::accumulate(of_lanes[0], of_lanes[0] + 4, std::uint64_t{0}),
              std::accumulate(of_lanes[1], of_lanes[1] + 4, std::uint64_t{0})};
    add_up(grey + i, n - i, sums);
    return sums;
}

// Writes around the cache.
MERTOOL_AVX2 void stream(const std::uint8_t* grey, std::int64_t n, const Scale& scale, float* out) {
    const std::int64_t head = std::min<std::int64_t>(n, -(reinterpret_cast<std::intptr_t>(out) / 4) & 7);
    normalise(grey, head, scale, out);
    const __m256 centre = _mm256_set1_ps(scale.centre);
    const __m256 factor = _mm256_set1_ps(scale.factor);
    std::int64_t i = head;
    for (; i + 8 <= n; i += 8) {
        const __m256i levels = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(grey + i)));
        _mm256_stream_ps(out + i, _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(levels), centre), factor));
    }
    normalise(grey + i, n - i, scale, out + i);
    _mm_sfence();
}

}  // namespace

void render_tile_avx2(const TileJob& job) {
    const Layout layout{span(job.transform.yx) + 1, span(job.transform.xx) / window_step + 1};
    if (!fits(layout, job.source->size)) return render_tile_plain(job);
    switch (layout.columns > 1 ? 0 : layout.rows) {
        case 1:
            return render_tile_with<1>(job, layout);
        case 2:
            return render_tile_with<2>(job, layout);
        case 3:
            return render_tile_with<3>(job, layout);
        default:
            return render_tile_with<0>(job, layout);
    }
}

MERTOOL_AVX2 void normalise_avx2(const std::uint8_t* grey, std::int64_t n, bool past_cache, float* out) {
    const Scale scale = scale_of(add_up_fast(grey, n), n);
    past_cache ? stream(grey, n, scale, out) : normalise(grey, n, scale, out);
}

#else

void render_tile_avx2(const TileJob& job) { render_tile_plain(job); }
void normalise_avx2(const std::uint8_t* grey, std::int64_t n, bool past_cache, float* out) {
    normalise_plain(grey, n, past_cache, out);
}

#endif

}  // namespace mertool
