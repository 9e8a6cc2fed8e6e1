// Grey levels less their mean, over their standard deviation. Written once and compiled for each instruction set, into
// which the compiler turns the loops by itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "simd.hpp"

namespace mertool {

// The sums are whole numbers, so neither order nor instruction set shows in the result. A deviation below one grey
// level counts as one: a flat clip becomes zeros.
MERTOOL_INLINE void normalise(const std::uint8_t* grey, std::int64_t n, float* out) {
    constexpr std::int64_t block = 4096;  // so many squares of a byte fit 32 bits
    std::uint64_t sum = 0;
    std::uint64_t squares = 0;
    for (std::int64_t start = 0; start < n; start += block) {
        const std::int64_t end = std::min(start + block, n);
        std::uint32_t part = 0;
        std::uint32_t part_squares = 0;
        for (std::int64_t i = start; i < end; ++i) {
            part += grey[i];
            part_squares += static_cast<std::uint32_t>(grey[i] * grey[i]);
        }
        sum += part;
        squares += part_squares;
    }
    const double mean = static_cast<double>(sum) / static_cast<double>(n);
    const double variance = static_cast<double>(squares) / static_cast<double>(n) - mean * mean;
    const auto centre = static_cast<float>(mean);
    const auto scale = static_cast<float>(1.0 / std::sqrt(std::max(variance, 1.0)));
    for (std::int64_t i = 0; i < n; ++i) out[i] = (static_cast<float>(grey[i]) - centre) * scale;
}

}  // namespace mertool
