#include "simd.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace mertool {
namespace {

bool has_avx2() {
#if MERTOOL_HAS_AVX2
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

Simd choose_simd() {
    const char* variable = std::getenv("MERTOOL_SIMD");
    const std::string name = variable == nullptr ? "" : variable;
    if (name.empty()) return has_avx2() ? Simd::avx2 : Simd::plain;
    if (name == "plain") return Simd::plain;
    if (name != "avx2") throw std::invalid_argument("MERTOOL_SIMD: expected plain or avx2, got '" + name + "'");
    if (!has_avx2()) throw std::invalid_argument("MERTOOL_SIMD: this machine or build has no avx2; unset it");
    return Simd::avx2;
}

}  // namespace

Simd simd_in_use() {
    static const Simd simd = choose_simd();
    return simd;
}

const char* simd_name(Simd simd) { return simd == Simd::avx2 ? "avx2" : "plain"; }

}  // namespace mertool
