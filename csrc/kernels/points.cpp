#include "points.hpp"

#include <cmath>

namespace mertool {
namespace {

float round_to_grid(double value) { return static_cast<float>(std::nearbyint(value * 1024.0) / 1024.0); }

}  // namespace

void transform_points(const float* points, std::int64_t n, const Transform& m, float* out) {
    for (std::int64_t i = 0; i < n; ++i) {
        const double x = points[2 * i];
        const double y = points[2 * i + 1];
        out[2 * i] = round_to_grid(m[0] * x + m[1] * y + m[2]);
        out[2 * i + 1] = round_to_grid(m[3] * x + m[4] * y + m[5]);
    }
}

void mirror_points(const float* points, std::int64_t n, std::int64_t width, const std::int64_t* order,
                   std::int64_t count, float* out) {
    const auto last = static_cast<float>(width - 1);
    for (std::int64_t set = 0; set < n; ++set, points += 2 * count) {
        for (std::int64_t i = 0; i < count; ++i) {
            *out++ = last - points[2 * order[i]];
            *out++ = points[2 * order[i] + 1];
        }
    }
}

}  // namespace mertool
