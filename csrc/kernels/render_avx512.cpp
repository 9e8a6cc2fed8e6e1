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
#include <limits>
#endif

namespace mertool {

#if MERTOOL_HAS_AVX512
namespace {

// A group of 32 neighbours of an output row is two strips of 16, each on a short line through the frame. A window of 32
// bytes of each frame row that a strip meets holds all it needs of that row; two rows fill a register, and one
// permutation of bytes picks out of them the four pixels around every point.
//
// Interleaving the frames of a clip first, so that one pick serves them all, does not pay: it touches all of every
// frame, and measured takes longer (15 us, OpenCV's merge) than rendering the clip's whole mosaic from the frames as
// they are (11 us).
constexpr std::int64_t group = 32;
constexpr std::int64_t strip = 16;
constexpr std::int64_t window = 32;
constexpr std::int64_t groups_at_once = 4;
constexpr std::int64_t rows_at_once = 8;  // 64-bit numbers of a register
constexpr std::int64_t most_rows = 7;     // one less than windows that 8 bits can address
constexpr std::int32_t one = 1 << 15;     // a pixel
constexpr std::int32_t fraction_bits = one - 1;

struct Range {
    std::int64_t low, high;
};

Range range_of(std::int64_t a, std::int64_t b) { return {std::min(a, b), std::max(a, b)}; }

// Where the pixels of a group lie, from the lowest coordinate of their strip (which is at a row's start plus `lowest`).
// Registers of 32 numbers have four pixels of the first strip and four of the second in each of their quarters.
struct Group {
    __m512i fraction_x;  // of a pixel, in multiples of 2^-15
    __m512i fraction_y;
    __m512i place;  // of each pixel and its right neighbour, one byte each: 32 times the window plus the byte in it
    std::int64_t lowest_x[2];
    std::int64_t lowest_y[2];
};

// to_grid(step * (first + i)) - low for i = 0..15.
MERTOOL_AVX512 inline __m512i walk(std::int64_t step, std::int64_t first, std::int64_t low) {
    const __m512i n = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i whole = _mm512_set1_epi32(static_cast<std::int32_t>(step >> 16));
    const __m512i rest = _mm512_set1_epi32(static_cast<std::int32_t>(step & 0xffff));
    const __m512i start = _mm512_set1_epi32(static_cast<std::int32_t>((step * first + one) & 0xffff));
    const __m512i back = _mm512_set1_epi32(static_cast<std::int32_t>(to_grid(step * first) - low));
    const __m512i carry = _mm512_srai_epi32(_mm512_add_epi32(_mm512_mullo_epi32(n, rest), start), 16);
    return _mm512_add_epi32(_mm512_add_epi32(_mm512_mullo_epi32(n, whole), back), carry);
}

MERTOOL_AVX512 inline __m512i fractions(__m512i first, __m512i second) {
    const __m512i fraction = _mm512_set1_epi32(fraction_bits);
    return _mm512_packus_epi32(_mm512_and_si512(first, fraction), _mm512_and_si512(second, fraction));
}

MERTOOL_AVX512 inline __m512i whole_pixels(__m512i first, __m512i second) {
    return _mm512_packus_epi32(_mm512_srai_epi32(first, 15), _mm512_srai_epi32(second, 15));
}

// False if a window would leave the frame.
template <int Rows>
MERTOOL_AVX512 inline bool make_group(const TileJob& job, const Range& row_x, const Range& row_y, std::int64_t start,
                                      Group& out) {
    const FixedTransform& m = job.transform;
    const Size& frame = job.source->size;
    __m512i way_x[2];
    __m512i way_y[2];
    for (std::int64_t s = 0; s < 2; ++s) {
        const std::int64_t first = start + s * strip;
        const std::int64_t last = first + strip - 1;
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
        way_x[s] = walk(m.xx, first, out.lowest_x[s]);
        way_y[s] = walk(m.yx, first, y.low);
    }
    out.fraction_x = fractions(way_x[0], way_x[1]);
    out.fraction_y = fractions(way_y[0], way_y[1]);
    const __m512i left =
        _mm512_add_epi16(whole_pixels(way_x[0], way_x[1]), _mm512_slli_epi16(whole_pixels(way_y[0], way_y[1]), 5));
    out.place = _mm512_add_epi16(_mm512_mullo_epi16(left, _mm512_set1_epi16(0x0101)), _mm512_set1_epi16(0x0100));
    return true;
}

// Where eight rows of a group begin.
struct Starts {
    alignas(64) std::int64_t offset[2][rows_at_once];  // of each strip's first window
    // Fractions of a pixel: four times that of the first strip, four times that of the second. Even rows, then odd
    // ones.
    alignas(64) std::uint16_t fraction_x[rows_at_once][8];
    alignas(64) std::uint16_t fraction_y[rows_at_once][8];
};

// Where eight rows of the tile begin, in multiples of 2^-31 px, and half of a multiple of 2^-15, to round.
struct Rows8 {
    __m512i x;
    __m512i y;
};

// start + step * i for i = 0..7.
MERTOOL_AVX512 inline __m512i line(std::int64_t start, std::int64_t step) {
    __m512i at = _mm512_set1_epi64(start + one);
    at = _mm512_mask_add_epi64(at, 0xaa, at, _mm512_set1_epi64(step));
    at = _mm512_mask_add_epi64(at, 0xcc, at, _mm512_set1_epi64(2 * step));
    return _mm512_mask_add_epi64(at, 0xf0, at, _mm512_set1_epi64(4 * step));
}

MERTOOL_AVX512 inline __m512i four_times(__m512i coordinates) {
    const __m512i low_words =
        _mm512_set_epi64(0x0908090809080908, 0x0100010001000100, 0x0908090809080908, 0x0100010001000100,
                         0x0908090809080908, 0x0100010001000100, 0x0908090809080908, 0x0100010001000100);
    return _mm512_and_si512(_mm512_shuffle_epi8(coordinates, low_words), _mm512_set1_epi16(fraction_bits));
}

MERTOOL_AVX512 inline void store_fractions(__m512i first, __m512i second, std::uint16_t (*out)[8]) {
    const __m512i a = four_times(first);
    const __m512i b = four_times(second);
    _mm512_store_si512(out, _mm512_unpacklo_epi64(a, b));
    _mm512_store_si512(out + rows_at_once / 2, _mm512_unpackhi_epi64(a, b));
}

MERTOOL_AVX512 inline void start_rows(const TileJob& job, const Group& at, const Rows8& rows, Starts& out) {
    const __m512i row_x = _mm512_srai_epi64(rows.x, 16);
    const __m512i row_y = _mm512_srai_epi64(rows.y, 16);
    const __m512i stride = _mm512_set1_epi64(job.source->row_stride);
    __m512i x[2];
    __m512i y[2];
    for (int s = 0; s < 2; ++s) {
        x[s] = _mm512_add_epi64(row_x, _mm512_set1_epi64(at.lowest_x[s]));
        y[s] = _mm512_add_epi64(row_y, _mm512_set1_epi64(at.lowest_y[s]));
        const __m512i down = _mm512_mul_epi32(_mm512_srai_epi64(y[s], 15), stride);
        _mm512_store_si512(out.offset[s], _mm512_add_epi64(down, _mm512_srai_epi64(x[s], 15)));
    }
    store_fractions(x[0], x[1], out.fraction_x);
    store_fractions(y[0], y[1], out.fraction_y);
}

struct Toning {
    __m512i gain, bias, shift;
};

// What to pick for a row of each strip, and how to weigh it: four bytes, or two words, per pixel.
struct Plan {
    __m512i place[2];
    __m512i columns[2];
    __m512i rows[2];
};

MERTOOL_AVX512 inline __m512i eight_times(const std::uint16_t* eight) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(eight)));
}

MERTOOL_AVX512 inline Plan plan_row(const Group& at, const std::uint16_t* start_x, const std::uint16_t* start_y,
                                    const Toning& tone) {
    const __m512i sum_x = _mm512_add_epi16(at.fraction_x, eight_times(start_x));
    const __m512i sum_y = _mm512_add_epi16(at.fraction_y, eight_times(start_y));
    const __m512i fraction = _mm512_set1_epi16(fraction_bits);
    __m512i above = _mm512_mask_add_epi16(at.place, _mm512_movepi16_mask(sum_x), at.place, _mm512_set1_epi16(0x0101));
    above = _mm512_mask_add_epi16(above, _mm512_movepi16_mask(sum_y), above, _mm512_set1_epi16(0x2020));
    const __m512i below = _mm512_add_epi16(above, _mm512_set1_epi16(0x2020));
    const __m512i along_x = _mm512_and_si512(sum_x, fraction);
    const __m512i rounded = _mm512_mulhrs_epi16(along_x, _mm512_set1_epi16(columns_total));
    // Less one where three quarters would be rounded to an odd number.
    const __mmask32 odd = _mm512_cmpeq_epi16_mask(along_x, _mm512_set1_epi16(3 << 13));
    const __m512i right = _mm512_mask_sub_epi16(rounded, odd, rounded, _mm512_set1_epi16(1));
    const __m512i columns =
        _mm512_add_epi16(_mm512_mullo_epi16(right, _mm512_set1_epi16(255)), _mm512_set1_epi16(columns_total));
    const __m512i lower = _mm512_mulhrs_epi16(_mm512_and_si512(sum_y, fraction), tone.gain);
    const __m512i upper = _mm512_sub_epi16(tone.gain, lower);
    return {{_mm512_unpacklo_epi16(above, below), _mm512_unpackhi_epi16(above, below)},
            {_mm512_unpacklo_epi16(columns, columns), _mm512_unpackhi_epi16(columns, columns)},
            {_mm512_unpacklo_epi16(upper, lower), _mm512_unpackhi_epi16(upper, lower)}};
}

MERTOOL_AVX512 inline __m256i load_window(const std::uint8_t* source) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
}

// The pixels around each point of a strip.
template <int Rows>
MERTOOL_AVX512 inline __m512i gather(const std::uint8_t* source, std::ptrdiff_t row_stride, __m512i place) {
    __m512i pixels = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int r = 0; r <= Rows; r += 2) {
        __m512i windows = _mm512_castsi256_si512(load_window(source + r * row_stride));
        if (r < Rows) windows = _mm512_inserti64x4(windows, load_window(source + (r + 1) * row_stride), 1);
        if (r == 0) {
            pixels = _mm512_permutexvar_epi8(place, windows);
        } else {
            // In these windows or further down; the same for all frames, so the compiler takes it out of their loop.
            const __mmask64 here = _mm512_cmpge_epu8_mask(place, _mm512_set1_epi8(static_cast<char>(32 * r)));
            pixels = _mm512_mask_permutexvar_epi8(pixels, here, place, windows);
        }
    }
    return pixels;
}

// Toned grey levels of a strip, 32 bits each.
template <int Rows>
MERTOOL_AVX512 inline __m512i render_strip(const std::uint8_t* source, std::ptrdiff_t row_stride, const Plan& plan,
                                           int s, const Toning& tone) {
    const __m512i pixels = gather<Rows>(source, row_stride, plan.place[s]);
    const __m512i rows = _mm512_maddubs_epi16(pixels, plan.columns[s]);
    return _mm512_srav_epi32(_mm512_dpwssd_epi32(tone.bias, rows, plan.rows[s]), tone.shift);
}

// The same of a group, 16 bits each.
template <int Rows>
MERTOOL_AVX512 inline __m512i render_group(const std::uint8_t* first, const std::uint8_t* second,
                                           std::ptrdiff_t row_stride, const Plan& plan, const Toning& tone) {
    return _mm512_packs_epi32(render_strip<Rows>(first, row_stride, plan, 0, tone),
                              render_strip<Rows>(second, row_stride, plan, 1, tone));
}

// Two groups as bytes, one after the other.
MERTOOL_AVX512 inline __m512i pack(__m512i first, __m512i second) {
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
}

// `valid` has a bit for each pixel that is in the tile.
MERTOOL_AVX512 inline void store(std::uint8_t* out, std::uint32_t valid, __m256i levels, std::ptrdiff_t clip_stride) {
    if (valid == 0xffffffffU) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), levels);
    } else {
        _mm256_mask_storeu_epi8(out, valid, levels);
    }
    // Asks for the same place in the next clip's mosaic, to be there when this one is done.
    const auto next = reinterpret_cast<std::uintptr_t>(out) + static_cast<std::uintptr_t>(clip_stride);
    __builtin_prefetch(reinterpret_cast<const void*>(next), 1, 2);
}

// The rows from `first` to `end` (at most eight) of a group, whose pixels begin in column `start` of the tile.
// `Frames` is their number where it is known, or 0.
template <int Rows, int Frames>
MERTOOL_AVX512 inline void render_rows(const TileJob& job, const Group& given, const Rows8& rows, std::int64_t first,
                                       std::int64_t end, std::int64_t start) {
    // Copied, since for all the compiler knows bytes that are written could be part of the job.
    const std::int64_t frames = Frames > 0 ? Frames : job.source->frames;
    const std::ptrdiff_t row_stride = job.source->row_stride;
    const std::ptrdiff_t frame_stride = job.source->frame_stride;
    const std::ptrdiff_t out_stride = job.out_frame_stride;
    const std::ptrdiff_t out_row_stride = job.out_row_stride;
    const std::ptrdiff_t clip_stride = frames * out_stride;
    const std::uint8_t* const clip = job.first_frame;
    const Group at = given;
    const Toning tone{_mm512_set1_epi16(job.tone.gain), _mm512_set1_epi32(job.tone.bias),
                      _mm512_set1_epi32(job.tone.shift)};
    const std::int64_t count = std::min(group, job.tile.width);
    const auto valid = static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
    Starts starts;
    start_rows(job, at, rows, starts);
    std::uint8_t* out_row = job.out + first * out_row_stride + start;
    for (std::int64_t i = 0; i < end - first; ++i) {
        const std::int64_t slot = i % 2 * (rows_at_once / 2) + i / 2;
        const Plan plan = plan_row(at, starts.fraction_x[slot], starts.fraction_y[slot], tone);
        const std::uint8_t* low = clip + starts.offset[0][i];
        const std::uint8_t* high = clip + starts.offset[1][i];
        std::uint8_t* out = out_row;
        std::int64_t t = 0;
#pragma GCC unroll 2
        for (; t + 1 < frames; t += 2) {
            const __m512i even = render_group<Rows>(low, high, row_stride, plan, tone);
            const __m512i odd = render_group<Rows>(low + frame_stride, high + frame_stride, row_stride, plan, tone);
            const __m512i levels = pack(even, odd);
            store(out, valid, _mm512_castsi512_si256(levels), clip_stride);
            store(out + out_stride, valid, _mm512_extracti64x4_epi64(levels, 1), clip_stride);
            low += 2 * frame_stride;
            high += 2 * frame_stride;
            out += 2 * out_stride;
        }
        if (t < frames) {
            const __m512i last = render_group<Rows>(low, high, row_stride, plan, tone);
            const __m512i levels = pack(last, last);
            store(out, valid, _mm512_castsi512_si256(levels), clip_stride);
        }
        out_row += out_row_stride;
    }
}

// False if not all of the tile can be rendered so.
template <int Rows, int Frames>
MERTOOL_AVX512 bool render_tile_with(const TileJob& job) {
    const FixedTransform& m = job.transform;
    const Size& tile = job.tile;
    const Range row_x = range_of(to_grid(m.x0), to_grid(m.xy * (tile.height - 1) + m.x0));
    const Range row_y = range_of(to_grid(m.y0), to_grid(m.yy * (tile.height - 1) + m.y0));
    Group groups[groups_at_once];
    std::int64_t starts[groups_at_once];

    for (std::int64_t x = 0; x < tile.width;) {
        std::int64_t n = 0;
        for (; x < tile.width && n < groups_at_once; x += group, ++n) {
            // The last group may overlap the one before it, and the only one reach beyond the tile.
            starts[n] = std::min(x, std::max<std::int64_t>(tile.width - group, 0));
            if (!make_group<Rows>(job, row_x, row_y, starts[n], groups[n])) return false;
        }
        // A few rows at a time, so that neighbouring groups find what they share in the cache.
        Rows8 rows{line(m.x0, m.xy), line(m.y0, m.yy)};
        for (std::int64_t first = 0; first < tile.height; first += rows_at_once) {
            const std::int64_t end = std::min(first + rows_at_once, tile.height);
            for (std::int64_t g = 0; g < n; ++g) render_rows<Rows, Frames>(job, groups[g], rows, first, end, starts[g]);
            rows.x = _mm512_add_epi64(rows.x, _mm512_set1_epi64(rows_at_once * m.xy));
            rows.y = _mm512_add_epi64(rows.y, _mm512_set1_epi64(rows_at_once * m.yy));
        }
    }
    return true;
}

using RenderTile = bool (*)(const TileJob&);
constexpr RenderTile any_frames[] = {render_tile_with<1, 0>, render_tile_with<2, 0>, render_tile_with<3, 0>,
                                     render_tile_with<4, 0>, render_tile_with<5, 0>, render_tile_with<6, 0>,
                                     render_tile_with<7, 0>};
constexpr RenderTile three_frames[] = {render_tile_with<1, 3>, render_tile_with<2, 3>, render_tile_with<3, 3>,
                                       render_tile_with<4, 3>, render_tile_with<5, 3>, render_tile_with<6, 3>,
                                       render_tile_with<7, 3>};

// How many pixels a strip may span.
std::int64_t span(std::int64_t step) {
    constexpr std::int64_t pixel = std::int64_t{1} << 31;
    return (std::abs(step) * (strip - 1) + pixel - 1) / pixel;
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
    const std::int64_t rows = span(job.transform.yx) + 1;
    const bool suits = job.tile.width >= strip && span(job.transform.xx) + 1 < window && rows <= most_rows &&
                       std::abs(job.source->row_stride) <= std::numeric_limits<std::int32_t>::max();
    if (suits) {
        const auto& render_tile = job.source->frames == 3 ? three_frames : any_frames;
        if (render_tile[rows - 1](job)) return;
    }
    const std::int64_t half = job.tile.height / 2;
    if (!suits || half < 8) return render_tile_avx2(job);
    render_tile_avx512(rows_of(job, 0, half));
    render_tile_avx512(rows_of(job, half, job.tile.height - half));
}

#else

void render_tile_avx512(const TileJob& job) { render_tile_plain(job); }

#endif

}  // namespace mertool
