#include <cstdlib>

#include "render_tile.hpp"
#include "simd.hpp"

#if MERTOOL_HAS_AVX2
#include <immintrin.h>

#include <cstring>
#endif

namespace mertool {

bool fits_avx2(const FrameStack& source) {
    const std::int64_t reach = std::abs(static_cast<std::int64_t>(source.row_stride));
    return source.size.width >= 4 && reach < (std::int64_t{1} << 31) / source.size.height - source.size.width;
}

#if MERTOOL_HAS_AVX2
namespace {

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
            _mm256_set1_epi32(static_cast<std::int32_t>(size > 1 ? size - 2 : 0))};
}

// Sets `whole` and returns the weights of the two neighbours as a pair of 16-bit numbers, -(2^15 - f) and -f: negative,
// because 2^15 itself does not fit; the second interpolation turns the sign back.
MERTOOL_AVX2 inline __m256i next_eight(Coordinates& c, __m256i& whole) {
    const __m256i exact = _mm256_add_epi32(c.high, _mm256_srli_epi32(c.low, 16));
    const __m256i clamped = _mm256_min_epi32(_mm256_max_epi32(exact, _mm256_setzero_si256()), c.limit);
    c.high = _mm256_add_epi32(c.high, c.high_step);
    c.low = _mm256_add_epi32(c.low, c.low_step);
    whole = _mm256_min_epi32(_mm256_srli_epi32(clamped, 15), c.last);
    const __m256i fraction = _mm256_sub_epi32(clamped, _mm256_slli_epi32(whole, 15));
    return _mm256_xor_si256(_mm256_sub_epi32(fraction, _mm256_slli_epi32(fraction, 16)), _mm256_set1_epi32(0x8000));
}

MERTOOL_AVX2 inline __m256i load(const std::int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

MERTOOL_AVX2 inline void store(std::int32_t* to, __m256i value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

}  // namespace

MERTOOL_AVX2 void render_tile_avx2(const TileJob& job, std::int32_t* scratch) {
    const FrameStack& source = *job.source;
    const FixedTransform& m = job.transform;
    const auto width = static_cast<std::size_t>(job.tile.width);
    const std::size_t room = (width + 7) / 8 * 8;
    std::int32_t* const offsets = scratch;
    std::int32_t* const picks = offsets + room;
    std::int32_t* const weights_x = picks + room;
    std::int32_t* const weights_y = weights_x + room;
    const std::ptrdiff_t below = source.size.height > 1 ? source.row_stride : 0;
    const __m256i row_stride = _mm256_set1_epi32(static_cast<std::int32_t>(source.row_stride));
    // Four bytes are read where two are wanted: near the right edge from further left, so as to stay in the row.
    const __m256i last_read = _mm256_set1_epi32(static_cast<std::int32_t>(source.size.width - 4));
    const __m256i first_two = _mm256_setr_epi32(
        static_cast<int>(0x80018000), static_cast<int>(0x80058004), static_cast<int>(0x80098008),
        static_cast<int>(0x800d800c), static_cast<int>(0x80018000), static_cast<int>(0x80058004),
        static_cast<int>(0x80098008), static_cast<int>(0x800d800c));
    const __m256 gain = _mm256_set1_ps(job.tone.gain / static_cast<float>(1 << 22));
    const __m256 bias = _mm256_set1_ps(job.tone.bias);
    const __m256 white = _mm256_set1_ps(255.0F);

    for (std::int64_t y = 0; y < job.tile.height; ++y) {
        Coordinates along_x = start_row(m.xy * y + m.x0, m.xx, source.size.width);
        Coordinates along_y = start_row(m.yy * y + m.y0, m.yx, source.size.height);
        for (std::size_t x = 0; x < width; x += 8) {
            __m256i column, row;
            store(weights_x + x, next_eight(along_x, column));
            store(weights_y + x, next_eight(along_y, row));
            const __m256i read = _mm256_min_epi32(column, last_read);
            const __m256i skip = _mm256_sub_epi32(column, read);
            store(offsets + x, _mm256_add_epi32(_mm256_mullo_epi32(row, row_stride), read));
            store(picks + x, _mm256_add_epi32(first_two, _mm256_add_epi32(skip, _mm256_slli_epi32(skip, 16))));
        }
        for (std::int64_t t = 0; t < source.frames; ++t) {
            const std::uint8_t* const frame = job.first_frame + t * source.frame_stride;
            const int* const upper = reinterpret_cast<const int*>(frame);
            const int* const lower = reinterpret_cast<const int*>(frame + below);
            std::uint8_t* const out = job.out + t * job.out_frame_stride + y * job.out_row_stride;
            for (std::size_t x = 0; x < width; x += 8) {
                const __m256i offset = load(offsets + x);
                const __m256i pick = load(picks + x);
                const __m256i weight_x = load(weights_x + x);
                const __m256i above_pair = _mm256_shuffle_epi8(_mm256_i32gather_epi32(upper, offset, 1), pick);
                const __m256i below_pair = _mm256_shuffle_epi8(_mm256_i32gather_epi32(lower, offset, 1), pick);
                const __m256i top = _mm256_madd_epi16(above_pair, weight_x);
                const __m256i bottom = _mm256_madd_epi16(below_pair, weight_x);
                const __m256i pair =
                    _mm256_blend_epi16(_mm256_srli_epi32(top, 8), _mm256_slli_epi32(bottom, 8), 0xaa);
                const __m256 grey = _mm256_cvtepi32_ps(_mm256_madd_epi16(pair, load(weights_y + x)));
                const __m256 toned = _mm256_min_ps(_mm256_add_ps(_mm256_mul_ps(grey, gain), bias), white);
                const __m256i level = _mm256_cvtps_epi32(toned);  // half to even
                const __m128i halves =
                    _mm_packus_epi32(_mm256_castsi256_si128(level), _mm256_extracti128_si256(level, 1));
                const __m128i bytes = _mm_packus_epi16(halves, halves);
                if (x + 8 <= width) {
                    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + x), bytes);
                } else {
                    std::uint8_t rest[16];
                    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), bytes);
                    std::memcpy(out + x, rest, width - x);
                }
            }
        }
    }
}

#else

void render_tile_avx2(const TileJob&, std::int32_t*) { std::abort(); }  // simd_in_use never chooses it

#endif

}  // namespace mertool
