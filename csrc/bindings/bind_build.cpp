#include <string>

#include "bind.hpp"
#include "simd.hpp"

namespace mertool::bindings {
namespace {

std::string compiler() {
#if defined(__clang__)
    return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
           std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
    return "gcc " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
           std::to_string(__GNUC_PATCHLEVEL__);
#elif defined(_MSC_VER)
    return "msvc " + std::to_string(_MSC_VER);
#else
    return "unknown";
#endif
}

}  // namespace

void bind_build(pybind11::module_& module) {
    module.def(
        "simd", [] { return std::string(simd_name(simd_in_use())); },
        "Instructions in use: 'avx512', 'avx2' or 'plain'. MERTOOL_SIMD=plain|avx2|avx512 forces one.");
    module.attr("compiler") = compiler();
}

}  // namespace mertool::bindings
