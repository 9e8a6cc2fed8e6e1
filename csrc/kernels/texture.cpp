#include "texture.hpp"

#include <algorithm>
#include <cmath>

#include "parallel.hpp"
#include "simd.hpp"
#include "texture_row.hpp"

namespace mertool {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr int unit = 1 << 14;
constexpr std::int64_t gap = 64;  // codes: two cache lines

// An offset as scikit-image takes it, to five decimals: 3 cos 90 degrees is 0, not 2e-16.
double round_offset(double value) { return std::nearbyint(value * 1e5) / 1e5; }

// An axis of a plane: its length, and the voxels from one step along it to the next.
struct Axis {
    std::int64_t length;
    std::ptrdiff_t step;
};

std::vector<double> fractions(std::int64_t length, double offset) {
    std::vector<double> found;
    found.reserve(static_cast<std::size_t>(length));
    for (std::int64_t place = 0; place < length; ++place) found.push_back(fraction(place, offset));
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

using Levels = std::array<double, 256>;

// (1 - f) v + f v: v again, up to a rounding error.
Levels blend(double f, const Levels& levels) {
    Levels blended;
    for (std::size_t k = 0; k < levels.size(); ++k) blended[k] = (1 - f) * levels[k] + f * levels[k];
    return blended;
}

// Whether a grey level interpolated with itself, across and then down, is nowhere less than it was: one rounding or
// another of the fractions might make it so.
bool holds_on_flat(const Axis& columns, const Axis& rows, double across, double down) {
    Levels whole;
    for (std::size_t k = 0; k < whole.size(); ++k) whole[k] = static_cast<double>(k);
    std::vector<Levels> lines;  // all that differ: mostly one
    for (const double f : fractions(columns.length, across)) {
        const Levels line = blend(f, whole);
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
    }
    for (const double g : fractions(rows.length, down)) {
        for (const Levels& line : lines) {
            const Levels blended = blend(g, line);
            for (std::size_t k = 0; k < whole.size(); ++k) {
                if (blended[k] < whole[k]) return false;
            }
        }
    }
    return true;
}

Sample nearest_sample(const Axis& columns, const Axis& rows, double across, double down) {
    const auto at = static_cast<std::ptrdiff_t>(std::floor(across + 0.5)) * columns.step +
                    static_cast<std::ptrdiff_t>(std::floor(down + 0.5)) * rows.step;
    return {true, {at, at, at, at}, 0, 0, {}, true};
}

Sample bilinear_sample(const Axis& columns, const Axis& rows, double across, double down) {
    across = round_offset(across);
    down = round_offset(down);
    const double left = std::floor(across);
    const double top = std::floor(down);
    const auto first = static_cast<std::ptrdiff_t>(left) * columns.step + static_cast<std::ptrdiff_t>(top) * rows.step;
    // At a whole offset the pixel beyond has no weight, and may lie outside the clip.
    const std::ptrdiff_t right = across > left ? columns.step : 0;
    const std::ptrdiff_t below = down > top ? rows.step : 0;
    Sample sample{
        right == 0 && below == 0, {first, first + right, first + below, first + right + below}, across, down, {}, true};
    const double f = across - left;
    const double g = down - top;
    const double shares[4] = {(1 - f) * (1 - g), f * (1 - g), (1 - f) * g, f * g};
    for (int k = 0; k < 4; ++k) sample.weight[k] = static_cast<std::int16_t>(std::lround(shares[k] * unit));
    sample.flat_holds = sample.exact || holds_on_flat(columns, rows, across, down);
    return sample;
}

// XY (x + rx cos, y - ry sin), XT (x + rx cos, t + rt sin), YT (y - ry sin, t + rt cos); columns are x, x and t.
std::array<PlaneJob, planes> make_jobs(const TextureSettings& settings, const Volumes& clips) {
    const auto [rx, ry, rt] = settings.radii;
    const Axis x{clips.size.width, 1};
    const Axis y{clips.size.height, static_cast<std::ptrdiff_t>(clips.size.width)};
    const Axis t{clips.frames, static_cast<std::ptrdiff_t>(clips.size.height * clips.size.width)};
    std::array<PlaneJob, planes> jobs;
    for (PlaneJob& job : jobs) {
        job.threshold = settings.threshold;
        job.with_sign = settings.with_sign;
    }
    const auto place = settings.bilinear && !settings.centralised ? bilinear_sample : nearest_sample;
    for (int p = 0; p < settings.points; ++p) {
        const double angle = 2 * pi * p / settings.points;
        const double cosine = std::cos(angle);
        const double sine = std::sin(angle);
        jobs[0].samples.push_back(place(x, y, rx * cosine, -ry * sine));
        jobs[1].samples.push_back(place(x, t, rx * cosine, rt * sine));
        jobs[2].samples.push_back(place(t, y, rt * cosine, -ry * sine));
    }
    return jobs;
}

// Where the row of voxels from (rx, y, t) on lies in each plane.
std::array<Place, planes> places_of(int rx, std::int64_t y, std::int64_t t) {
    return {{{rx, y, 1}, {rx, t, 1}, {t, y, 0}}};
}

using RowCoder = void (*)(const PlaneJob&, const std::int16_t*, const Place&, std::int64_t, std::uint16_t*);

RowCoder choose_coder(const TextureSettings& settings) {
    const bool avx2 = simd_in_use() >= Simd::avx2;
    if (settings.centralised) return avx2 ? cbp_row_avx2 : cbp_row_plain;
    return avx2 ? lbp_row_avx2 : lbp_row_plain;
}

// Where the blocks along an axis end.
std::vector<std::int64_t> block_ends(std::int64_t blocks, std::int64_t size) {
    std::vector<std::int64_t> ends;
    ends.reserve(static_cast<std::size_t>(blocks));
    for (std::int64_t k = 1; k <= blocks; ++k) ends.push_back(k * size / blocks);
    return ends;
}

std::int64_t block_of(const std::vector<std::int64_t>& ends, std::int64_t place) {
    return std::upper_bound(ends.begin(), ends.end(), place) - ends.begin();
}

}  // namespace

void texture_codes(const TextureSettings& settings, const Volumes& clip, std::uint16_t* out) {
    const auto [rx, ry, rt] = settings.radii;
    const auto jobs = make_jobs(settings, clip);
    const RowCoder code = choose_coder(settings);
    const std::vector<std::int16_t> grey(clip.data, clip.data + clip.voxels());
    const std::int64_t width = clip.size.width - 2 * rx;
    for (std::size_t plane = 0; plane < planes; ++plane) {
        for (std::int64_t t = rt; t < clip.frames - rt; ++t) {
            for (std::int64_t y = ry; y < clip.size.height - ry; ++y, out += width) {
                const std::int16_t* const centre = grey.data() + (t * clip.size.height + y) * clip.size.width + rx;
                code(jobs[plane], centre, places_of(rx, y, t)[plane], width, out);
            }
        }
    }
}

void texture_counts(const TextureSettings& settings, const Volumes& clips, const Blocks& blocks, int threads,
                    std::uint32_t* out) {
    const int rx = settings.radii[0];
    const int ry = settings.radii[1];
    const int rt = settings.radii[2];
    const auto jobs = make_jobs(settings, clips);
    const RowCoder code = choose_coder(settings);
    const auto ends_t = block_ends(blocks[0], clips.frames);
    const auto ends_y = block_ends(blocks[1], clips.size.height);
    const auto ends_x = block_ends(blocks[2], clips.size.width);
    const std::int64_t width = clips.size.width - 2 * rx;
    const std::int64_t bins = settings.bins();
    const std::int64_t per_clip = blocks[0] * blocks[1] * blocks[2] * planes * bins;
    const int workers = count_workers(clips.count, threads);
    const std::int64_t room = width + gap;  // no two workers write into one cache line
    std::vector<std::uint16_t> rows(static_cast<std::size_t>(workers * room));
    std::vector<std::int16_t> greys(static_cast<std::size_t>(workers * clips.voxels()));
    for_each_item(clips.count, workers, [&](std::int64_t clip, int worker) {
        std::uint16_t* const codes = rows.data() + worker * room;
        std::int16_t* const volume = greys.data() + worker * clips.voxels();
        std::copy_n(clips.data + clip * clips.voxels(), clips.voxels(), volume);
        for (std::int64_t t = rt; t < clips.frames - rt; ++t) {
            for (std::int64_t y = ry; y < clips.size.height - ry; ++y) {
                const std::int16_t* const centre = volume + (t * clips.size.height + y) * clips.size.width + rx;
                const auto places = places_of(rx, y, t);
                const std::int64_t line = (block_of(ends_t, t) * blocks[1] + block_of(ends_y, y)) * blocks[2];
                for (std::size_t plane = 0; plane < planes; ++plane) {
                    code(jobs[plane], centre, places[plane], width, codes);
                    std::int64_t x = 0;
                    for (std::int64_t block = block_of(ends_x, rx); x < width; ++block) {
                        const std::int64_t end = std::min(width, ends_x[static_cast<std::size_t>(block)] - rx);
                        std::uint32_t* const counts =
                            out + clip * per_clip + ((line + block) * planes + static_cast<std::int64_t>(plane)) * bins;
                        for (; x < end; ++x) ++counts[codes[x]];
                    }
                }
            }
        }
    });
}

}  // namespace mertool
