// transform_points, mirror_points: what happens to landmarks when their picture is warped or mirrored.
#pragma once

#include <cstdint>

#include "view.hpp"

namespace mertool {

// Applies `transform` to n points (x, y) in float64 and rounds to whole multiples of 1/1024 px, so that float32 holds
// any mirror image of the result exactly. NaN stays NaN.
void transform_points(const float* points, std::int64_t n, const Transform& transform, float* out);

// Mirrors n sets of `count` points in a picture `width` pixels wide: x becomes width - 1 - x, and point i of the
// result is the mirror image of point order[i].
void mirror_points(const float* points, std::int64_t n, std::int64_t width, const std::int64_t* order,
                   std::int64_t count, float* out);

}  // namespace mertool
