// Grey levels less their mean, over their standard deviation. Written once and compiled for each instruction set, into
// which the compiler turns the loops by itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "simd.hpp"

namespace mertool {

// Of grey levels. Whole numbers, so neither order nor instruction set shows in the result.
struct Sums {
    std::uint64_t levels = 0;
    std::uint64_t squares = 0;
};

MERTOOL_INLINE void add_up(const std::uint8_t* grey, std::int64_t n, Sums& sums) {
    for (std::int64_t i = 0; i < n; ++i) {
        sums.levels += grey[i];
        sums.squares += static_cast<std::uint64_t>(grey[i] * grey[i]);
    }
}

struct Scale {
    float centre;
    float factor;

    float operator()(std::uint8_t level) const { return (static_cast<float>(level) - centre) * factor; }
};

// A deviation below one grey level counts as one: a flat clip becomes zeros.
inline Scale scale_of(const Sums& sums, std::int64_t n) {
    const double mean = static_cast<double>(sums.levels) / static_cast<double>(n);
    const double variance = static_cast<double>(sums.squares) / static_cast<double>(n) - mean * mean;
    return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(std::max(variance, 1.0)))};
}

MERTOOL_INLINE void normalise(const std::uint8_t* grey, std::int64_t n, const Scale& scale, float* out) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = scale(grey[i]);
}

}  // namespace mertool
