// Four floats at once: compilers do not vectorise a loop that sums floats by themselves. SSE2 is part of every x86-64
// processor, so nothing is chosen at run time; the plain version gives the same bytes.
#pragma once

#include <cmath>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define MERTOOL_HAS_SSE2 1
#else
#define MERTOOL_HAS_SSE2 0
#endif

namespace mertool {

#if MERTOOL_HAS_SSE2

struct Float4 {
    __m128 value;

    static Float4 all(float x) { return {_mm_set1_ps(x)}; }
    static Float4 load(const float* from) { return {_mm_loadu_ps(from)}; }
    void store(float* to) const { _mm_storeu_ps(to, value); }
};

inline Float4 operator+(Float4 a, Float4 b) { return {_mm_add_ps(a.value, b.value)}; }
inline Float4 operator*(Float4 a, Float4 b) { return {_mm_mul_ps(a.value, b.value)}; }

// max(0, 1 - |x|)
inline Float4 tent(Float4 x) {
    const __m128 magnitude = _mm_andnot_ps(_mm_set1_ps(-0.0F), x.value);
    return {_mm_max_ps(_mm_sub_ps(_mm_set1_ps(1.0F), magnitude), _mm_setzero_ps())};
}

#else

struct Float4 {
    float value[4];

    static Float4 all(float x) { return {{x, x, x, x}}; }
    static Float4 load(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
    void store(float* to) const {
        for (int k = 0; k < 4; ++k) to[k] = value[k];
    }
};

inline Float4 operator+(Float4 a, Float4 b) {
    for (int k = 0; k < 4; ++k) a.value[k] += b.value[k];
    return a;
}

inline Float4 operator*(Float4 a, Float4 b) {
    for (int k = 0; k < 4; ++k) a.value[k] *= b.value[k];
    return a;
}

inline Float4 tent(Float4 x) {
    for (float& value : x.value) value = std::fmax(1.0F - std::fabs(value), 0.0F);
    return x;
}

#endif

inline float sum(Float4 x) {
    float value[4];
    x.store(value);
    return (value[0] + value[1]) + (value[2] + value[3]);
}

}  // namespace mertool
