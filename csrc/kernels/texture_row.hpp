// One row of codes: what the instruction sets compute each in their own way, to the same bytes. Grey levels come as 16
// bits: they are widened once per clip, not once for each of the up to 64 times that a circle needs one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mertool {

// A point of the circle, between four pixels or on one (then all four are that one).
struct Sample {
    bool exact;
    std::ptrdiff_t pixel[4];  // from the centre: upper left, upper right, lower left, lower right
    double across, down;      // columns and rows from the centre
    std::int16_t weight[4];   // of each pixel, in units of 2^-14
    bool flat_holds;          // whether on four pixels of one grey level the interpolated value is never below it
};

struct PlaneJob {
    std::vector<Sample> samples;
    int threshold;
    bool with_sign;
};

// Where a row of voxels lies in its plane: its first voxel, and columns from one voxel to the next (0 in plane YT).
struct Place {
    std::int64_t column, row, step;
};

// How far a sample lies beyond the pixel before it. The sum is rounded, and differently at different places: so does
// scikit-image's local_binary_pattern.
inline double fraction(std::int64_t place, double offset) {
    const double at = static_cast<double>(place) + offset;
    return at - std::floor(at);
}

// Whether a sample is at least as bright as its centre, with the operations of scikit-image in its order (columns
// first, double precision), so that even ties of rounding fall alike.
inline bool is_bright(const Sample& sample, const std::int16_t* centre, std::int64_t column, std::int64_t row) {
    const auto grey = [&](int k) { return static_cast<double>(centre[sample.pixel[k]]); };
    if (sample.exact) return centre[sample.pixel[0]] >= *centre;
    const double across = fraction(column, sample.across);
    const double down = fraction(row, sample.down);
    const double upper = (1 - across) * grey(0) + across * grey(1);
    const double lower = (1 - across) * grey(2) + across * grey(3);
    return (1 - down) * upper + down * lower >= static_cast<double>(*centre);
}

void lbp_row_plain(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                   std::uint16_t* codes);
void lbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                  std::uint16_t* codes);
void cbp_row_plain(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                   std::uint16_t* codes);
void cbp_row_avx2(const PlaneJob& job, const std::int16_t* centre, const Place& place, std::int64_t n,
                  std::uint16_t* codes);

}  // namespace mertool
