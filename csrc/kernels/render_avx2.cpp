#include "render_tile.hpp"
#include "simd.hpp"

#if MERTOOL_HAS_AVX2
#include <immintrin.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#endif

namespace mertool {

#if MERTOOL_HAS_AVX2
namespace {

// Pixels are not gathered one by one (the gather instruction is slow, and slower still on processors patched against
// its data leak): eight neighbours of an output row lie on a short line through the frame, so a few windows of 16 bytes
// hold them all, and one byte shuffle a window picks them out. The geometry of a row serves all frames of the clip.
constexpr std::int64_t strip = 8;
constexpr std::int64_t chunk = 64;
constexpr std::int64_t window = 16;
constexpr std::int64_t max_windows = 16;

struct alignas(32) Windows {
    std::ptrdiff_t offset[max_windows];
    std::uint8_t pick[max_windows][32];  // for each pixel the bytes of it and its right neighbour; the same twice
};

struct alignas(32) Chunk {
    Windows strips[chunk / strip];
    std::int16_t column_weight[chunk];  // -2^15 times the fraction: negative, since 2^15 itself does not fit
    std::int16_t row_weight[chunk];
};

// How many windows a strip may need: `rows` frame rows of `columns` windows each.
struct Layout {
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t count() const { return rows * columns; }
};

std::int64_t reach(std::int64_t step) {
    constexpr std::int64_t one = std::int64_t{1} << 31;
    return (std::abs(step) * (strip - 1) + one - 1) / one;
}

Layout layout_of(const FixedTransform& m) { return {reach(m.yx) + 1, reach(m.xx) / (window - 1) + 1}; }

// Eight coordinates along a row: multiples of 2^-15 px in `high`, what is left of 2^-31 px in `low`.
struct Coordinates {
    __m256i high, low, high_step, low_step, limit, last;
};

MERTOOL_AVX2 inline Coordinates start_row(std::int64_t start, std::int64_t step, std::int64_t size) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const std::int64_t rounded = start + (1 << 15);
    const __m256i high_step = _mm256_set1_epi32(static_cast<std::int32_t>(step >> 16));
    const __m256i low_step = _mm256_set1_epi32(static_cast<std::int32_t>(step & 0xffff));
    const __m256i high = _mm256_set1_epi32(static_cast<std::int32_t>(rounded >> 16));
    const __m256i low = _mm256_set1_epi32(static_cast<std::int32_t>(rounded & 0xffff));
    return {_mm256_add_epi32(high, _mm256_mullo_epi32(high_step, lanes)),
            _mm256_add_epi32(low, _mm256_mullo_epi32(low_step, lanes)),
            _mm256_slli_epi32(high_step, 3),
            _mm256_slli_epi32(low_step, 3),
            _mm256_set1_epi32(static_cast<std::int32_t>((size - 1) << 15)),
            _mm256_set1_epi32(static_cast<std::int32_t>(std::max<std::int64_t>(size - 2, 0)))};
}

MERTOOL_AVX2 inline __m128i narrow(__m256i words) {
    return _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// The next eight: returns whole pixels, stores the negative fractions.
MERTOOL_AVX2 inline __m256i next_strip(Coordinates& c, std::int16_t* weights) {
    const __m256i exact = _mm256_add_epi32(c.high, _mm256_srli_epi32(c.low, 16));
    const __m256i clamped = _mm256_min_epi32(_mm256_max_epi32(exact, _mm256_setzero_si256()), c.limit);
    c.high = _mm256_add_epi32(c.high, c.high_step);
    c.low = _mm256_add_epi32(c.low, c.low_step);
    const __m256i whole = _mm256_min_epi32(_mm256_srli_epi32(clamped, 15), c.last);
    const __m256i negative = _mm256_sub_epi32(_mm256_slli_epi32(whole, 15), clamped);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(weights), narrow(negative));
    return whole;
}

// The smallest of eight numbers that rise or fall from the first to the last.
MERTOOL_AVX2 inline std::int32_t lowest(__m256i line) {
    return std::min(_mm256_extract_epi32(line, 0), _mm256_extract_epi32(line, 7));
}

MERTOOL_AVX2 inline void plan_windows(const FrameStack& source, const Layout& layout, __m256i column, __m256i row,
                                      Windows& windows) {
    const std::int64_t left = lowest(column);
    const std::int64_t top = lowest(row);
    const std::int64_t last_left = source.size.width - window;
    const std::int64_t last_top = std::max<std::int64_t>(source.size.height - 2, 0);
    const __m128i row_in_strip = narrow(_mm256_sub_epi32(row, _mm256_set1_epi32(static_cast<std::int32_t>(top))));
    std::int64_t w = 0;
    for (std::int64_t c = 0; c < layout.columns; ++c) {
        const std::int64_t start = std::min(left + c * (window - 1), last_left);
        const __m128i byte =
            narrow(_mm256_sub_epi32(column, _mm256_set1_epi32(static_cast<std::int32_t>(start))));
        const __m128i outside =
            _mm_or_si128(_mm_cmpgt_epi16(byte, _mm_set1_epi16(window - 2)), _mm_cmpgt_epi16(_mm_setzero_si128(), byte));
        const __m128i both =
            _mm_add_epi16(_mm_add_epi16(byte, _mm_slli_epi16(byte, 8)), _mm_set1_epi16(0x0100));
        for (std::int64_t r = 0; r < layout.rows; ++r, ++w) {
            const __m128i here = _mm_cmpeq_epi16(row_in_strip, _mm_set1_epi16(static_cast<std::int16_t>(r)));
            const __m128i nothing = _mm_or_si128(
                outside, _mm_andnot_si128(here, _mm_set1_epi16(-1)));
            const __m128i pick = _mm_or_si128(both, _mm_and_si128(nothing, _mm_set1_epi16(static_cast<std::int16_t>(0x8080))));
            windows.offset[w] = std::min(top + r, last_top) * source.row_stride + start;
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(windows.pick[w]), _mm256_broadcastsi128_si256(pick));
        }
    }
}

MERTOOL_AVX2 inline __m128i load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// Eight pixels interpolated along x, times 2^7: those of the upper row in the low half, of the lower in the high half.
MERTOOL_AVX2 inline __m256i mix_columns(const std::uint8_t* frame, std::ptrdiff_t below, const Windows& windows,
                                        std::int64_t count, const std::int16_t* weights) {
    __m256i pairs = _mm256_setzero_si256();
    for (std::int64_t w = 0; w < count; ++w) {
        const std::uint8_t* const from = frame + windows.offset[w];
        const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(load(from)), load(from + below), 1);
        const __m256i pick = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(windows.pick[w]));
        pairs = _mm256_or_si256(pairs, _mm256_shuffle_epi8(bytes, pick));
    }
    const __m256i left = _mm256_slli_epi16(_mm256_and_si256(pairs, _mm256_set1_epi16(0x00ff)), 7);
    const __m256i fall = _mm256_maddubs_epi16(pairs, _mm256_set1_epi16(static_cast<std::int16_t>(0xff01)));
    const __m256i weight = _mm256_broadcastsi128_si256(load(weights));
    return _mm256_add_epi16(left, _mm256_mulhrs_epi16(_mm256_slli_epi16(fall, 7), weight));
}

struct Toning {
    __m256 gain, bias;
};

MERTOOL_AVX2 inline __m256i tone_eight(__m256i grey, const Toning& tone) {
    const __m256 toned = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(grey), tone.gain), tone.bias);
    return _mm256_cvtps_epi32(_mm256_min_ps(toned, _mm256_set1_ps(255.0F)));  // half to even; packing clips below 0
}

MERTOOL_AVX2 inline __m128i render_sixteen(const std::uint8_t* frame, std::ptrdiff_t below, const Chunk& plan,
                                           std::int64_t x, std::int64_t count, const Toning& tone) {
    const Windows* const strips = plan.strips + x / strip;
    const __m256i first = mix_columns(frame, below, strips[0], count, plan.column_weight + x);
    const __m256i second = mix_columns(frame, below, strips[1], count, plan.column_weight + x + strip);
    const __m256i top = _mm256_permute2x128_si256(first, second, 0x20);
    const __m256i bottom = _mm256_permute2x128_si256(first, second, 0x31);
    const __m256i weight = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(plan.row_weight + x));
    const __m256i grey = _mm256_add_epi16(top, _mm256_mulhrs_epi16(_mm256_sub_epi16(top, bottom), weight));
    const __m256i zero = _mm256_setzero_si256();
    const __m256i levels = _mm256_packs_epi32(tone_eight(_mm256_unpacklo_epi16(grey, zero), tone),
                                              tone_eight(_mm256_unpackhi_epi16(grey, zero), tone));
    return _mm_packus_epi16(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
}

}  // namespace

MERTOOL_AVX2 void render_tile_avx2(const TileJob& job) {
    const FrameStack& source = *job.source;
    const FixedTransform& m = job.transform;
    const Layout layout = layout_of(m);
    if (source.size.width < window || layout.count() > max_windows) return render_tile_plain(job);
    const std::ptrdiff_t below = source.size.height > 1 ? source.row_stride : 0;
    const Toning tone{_mm256_set1_ps(job.tone.gain / 128.0F), _mm256_set1_ps(job.tone.bias)};
    Chunk plan;

    for (std::int64_t y = 0; y < job.tile.height; ++y) {
        Coordinates along_x = start_row(m.xy * y + m.x0, m.xx, source.size.width);
        Coordinates along_y = start_row(m.yy * y + m.y0, m.yx, source.size.height);
        for (std::int64_t start = 0; start < job.tile.width; start += chunk) {
            const std::int64_t count = std::min(chunk, job.tile.width - start);
            for (std::int64_t x = 0; x < count; x += 2 * strip) {
                for (std::int64_t i = x; i < x + 2 * strip; i += strip) {
                    const __m256i column = next_strip(along_x, plan.column_weight + i);
                    const __m256i row = next_strip(along_y, plan.row_weight + i);
                    plan_windows(source, layout, column, row, plan.strips[i / strip]);
                }
            }
            for (std::int64_t t = 0; t < source.frames; ++t) {
                const std::uint8_t* const frame = job.first_frame + t * source.frame_stride;
                std::uint8_t* const out = job.out + t * job.out_frame_stride + y * job.out_row_stride + start;
                for (std::int64_t x = 0; x < count; x += 2 * strip) {
                    const __m128i levels = render_sixteen(frame, below, plan, x, layout.count(), tone);
                    if (x + 2 * strip <= count) {
                        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), levels);
                    } else {
                        std::uint8_t rest[2 * strip];
                        _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), levels);
                        std::memcpy(out + x, rest, static_cast<std::size_t>(count - x));
                    }
                }
            }
        }
    }
}

#else

void render_tile_avx2(const TileJob& job) { render_tile_plain(job); }

#endif

}  // namespace mertool
