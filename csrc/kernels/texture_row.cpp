#include "texture_row.hpp"

#include <algorithm>
#include <cstdlib>

#include "simd.hpp"

#if MERTOOL_HAS_AVX2
#include <immintrin.h>
#endif

namespace mertool {
namespace {

constexpr std::int64_t chunk = 64;  // voxels whose sums stay in registers and cache

// s(g_p - g_opposite) for each half of the circle, then s(centre - mean of all), as whole numbers.
MERTOOL_INLINE void cbp_row(const PlaneJob& job, const std::int16_t* centre, std::int64_t n, std::uint16_t* codes) {
    const auto half = job.samples.size() / 2;
    const auto points = static_cast<int>(job.samples.size());
    const int limit = job.threshold;
    std::int16_t sum[chunk];
    std::uint16_t code[chunk];
    for (std::int64_t start = 0; start < n; start += chunk) {
        const std::int64_t count = std::min(chunk, n - start);
        const std::int16_t* const middle = centre + start;
        for (std::int64_t x = 0; x < count; ++x) {
            sum[x] = middle[x];
            code[x] = 0;
        }
        for (std::size_t p = 0; p < half; ++p) {
            const std::int16_t* const one = middle + job.samples[p].pixel[0];
            const std::int16_t* const other = middle + job.samples[p + half].pixel[0];
            for (std::int64_t x = 0; x < count; ++x) {
                const int apart = one[x] - other[x];
                const bool set = (job.with_sign ? apart : std::abs(apart)) >= limit;
                sum[x] = static_cast<std::int16_t>(sum[x] + one[x] + other[x]);
                code[x] = static_cast<std::uint16_t>(code[x] | (set ? 1U << p : 0U));
            }
        }
        for (std::int64_t x = 0; x < count; ++x) {
            const int apart = (points + 1) * middle[x] - sum[x];
            const bool set = (job.with_sign ? apart : std::abs(apart)) >= (points + 1) * limit;
            codes[start + x] = static_cast<std::uint16_t>(code[x] | (set ? 1U << half : 0U));
        }
    }
}

}  // namespace

void lbp_row_plain(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                   std::uint16_t* codes) {
    std::fill_n(codes, n, std::uint16_t{0});
    for (std::size_t p = 0; p < job.samples.size(); ++p) {
        const Sample& sample = job.samples[p];
        for (std::int64_t x = 0; x < n; ++x) {
            codes[x] = static_cast<std::uint16_t>(
                codes[x] | (is_bright(sample, centre + x, place.column + x * place.step, place.row) ? 1U << p : 0U));
        }
    }
}

void cbp_row_plain(const PlaneJob& job, const std::int16_t* centre, const Place& /*place*/, std::int64_t n,
                   std::uint16_t* codes) {
    cbp_row(job, centre, n, codes);
}

#if MERTOOL_HAS_AVX2
namespace {

constexpr std::int64_t lanes = 16;

MERTOOL_AVX2 MERTOOL_INLINE __m256i load(const std::int16_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// The weights of two neighbouring pixels in every 32 bits.
MERTOOL_AVX2 MERTOOL_INLINE __m256i weights(const Sample& sample, int k) {
    const auto low = static_cast<std::uint16_t>(sample.weight[k]);
    const auto high = static_cast<std::uint16_t>(sample.weight[k + 1]);
    return _mm256_set1_epi32(static_cast<int>(low | static_cast<std::uint32_t>(high) << 16));
}

template <bool upper_half>
MERTOOL_AVX2 MERTOOL_INLINE __m256i zip(__m256i a, __m256i b) {
    return upper_half ? _mm256_unpackhi_epi16(a, b) : _mm256_unpacklo_epi16(a, b);
}

// Eight lanes: is twice the weighted sum above, is it below, what rounding may have done to it?
template <bool upper_half>
MERTOOL_AVX2 MERTOOL_INLINE void weigh(const __m256i* apart, __m256i total, __m256i upper, __m256i lower,
                                       __m256i* above, __m256i* below) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(zip<upper_half>(apart[0], apart[1]), upper),
                                         _mm256_madd_epi16(zip<upper_half>(apart[2], apart[3]), lower));
    const __m256i twice = _mm256_add_epi32(sum, sum);
    const __m256i bound = zip<upper_half>(total, zero);
    *above = _mm256_cmpgt_epi32(twice, bound);
    *below = _mm256_cmpgt_epi32(_mm256_sub_epi32(zero, bound), twice);
}

// 16 lanes of all ones where a sample is at least as bright as its centre.
//
// With weights rounded to 2^-14 the sum of weight x (pixel - centre) is exact in 32 bits, and wrong by at most half the
// sum of |pixel - centre|: only where it is no larger than that must the doubles decide, and where all four pixels
// equal the centre it is known beforehand.
MERTOOL_AVX2 MERTOOL_INLINE __m256i bright_lanes(const Sample& sample, const std::int16_t* centre, const Place& place,
                                                 __m256i middle) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i apart[4];
    __m256i total = zero;
    for (int k = 0; k < 4; ++k) {
        apart[k] = _mm256_sub_epi16(load(centre + sample.pixel[k]), middle);
        total = _mm256_add_epi16(total, _mm256_abs_epi16(apart[k]));
    }
    const __m256i upper = weights(sample, 0);
    const __m256i lower = weights(sample, 2);
    __m256i above[2];
    __m256i below[2];
    weigh<false>(apart, total, upper, lower, &above[0], &below[0]);
    weigh<true>(apart, total, upper, lower, &above[1], &below[1]);
    __m256i bright = _mm256_packs_epi32(above[0], above[1]);
    const __m256i sure = _mm256_or_si256(bright, _mm256_packs_epi32(below[0], below[1]));
    __m256i open = _mm256_xor_si256(sure, _mm256_set1_epi16(-1));
    if (sample.flat_holds) {
        const __m256i flat = _mm256_cmpeq_epi16(total, zero);
        bright = _mm256_or_si256(bright, flat);
        open = _mm256_andnot_si256(flat, open);
    }
    auto undecided = static_cast<std::uint32_t>(_mm256_movemask_epi8(open));  // two bits per lane
    if (undecided != 0) {
        alignas(32) std::int16_t decided[lanes];
        _mm256_store_si256(reinterpret_cast<__m256i*>(decided), bright);
        while (undecided != 0) {
            const int bit = __builtin_ctz(undecided);
            const std::int64_t x = bit / 2;
            const bool is = is_bright(sample, centre + x, place.column + x * place.step, place.row);
            decided[x] = static_cast<std::int16_t>(is ? -1 : 0);
            undecided &= ~(std::uint32_t{3} << bit);
        }
        bright = _mm256_load_si256(reinterpret_cast<const __m256i*>(decided));
    }
    return bright;
}

}  // namespace

MERTOOL_AVX2 void lbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                               std::uint16_t* codes) {
    if (n < lanes) return lbp_row_plain(job, centre, place, n, codes);
    for (std::int64_t next = 0; next < n; next += lanes) {
        const std::int64_t start = std::min(next, n - lanes);  // the last lanes code some voxels twice
        const std::int16_t* const at = centre + start;
        const Place here{place.column + start * place.step, place.row, place.step};
        const __m256i middle = load(at);
        __m256i code = _mm256_setzero_si256();
        for (std::size_t p = job.samples.size(); p-- > 0;) {
            const Sample& sample = job.samples[p];
            const __m256i bright =
                sample.exact
                    ? _mm256_xor_si256(_mm256_cmpgt_epi16(middle, load(at + sample.pixel[0])), _mm256_set1_epi16(-1))
                    : bright_lanes(sample, at, here, middle);
            code = _mm256_sub_epi16(_mm256_add_epi16(code, code), bright);  // bright is -1: shifts it in from below
        }
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + start), code);
    }
}

MERTOOL_AVX2 void cbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& /*place*/, std::int64_t n,
                               std::uint16_t* codes) {
    cbp_row(job, centre, n, codes);
}

#else

void lbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                  std::uint16_t* codes) {
    lbp_row_plain(job, centre, place, n, codes);
}

void cbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& /*place*/, std::int64_t n,
                  std::uint16_t* codes) {
    cbp_row(job, centre, n, codes);
}

#endif

}  // namespace mertool
