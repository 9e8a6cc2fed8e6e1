#include "simd.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace mertool {
namespace {

constexpr Simd all[] = {Simd::avx512, Simd::avx2, Simd::plain};  // the best first

bool has(Simd simd) {
    switch (simd) {
        case Simd::avx512:
#if MERTOOL_HAS_AVX512
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
                   __builtin_cpu_supports("avx512vnni") && has(Simd::avx2);
#else
            return false;
#endif
        case Simd::avx2:
#if MERTOOL_HAS_AVX2
            return __builtin_cpu_supports("avx2") != 0;
#else
            return false;
#endif
        default:
            return true;
    }
}

Simd choose_simd() {
    const char* variable = std::getenv("MERTOOL_SIMD");
    const std::string name = variable == nullptr ? "" : variable;
    for (const Simd simd : all) {
        if (!name.empty() && name != simd_name(simd)) continue;
        if (has(simd)) return simd;
        if (!name.empty()) {
            throw std::invalid_argument("MERTOOL_SIMD: this machine or build has no " + name + "; unset it");
        }
    }
    throw std::invalid_argument("MERTOOL_SIMD: expected plain, avx2 or avx512, got '" + name + "'");
}

}  // namespace

Simd simd_in_use() {
    static const Simd simd = choose_simd();
    return simd;
}

const char* simd_name(Simd simd) { return simd == Simd::avx512 ? "avx512" : simd == Simd::avx2 ? "avx2" : "plain"; }

}  // namespace mertool
