// Which instructions the kernels use on this machine.
#pragma once

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define MERTOOL_HAS_AVX2 1
#define MERTOOL_AVX2 __attribute__((target("avx2")))
#else
#define MERTOOL_HAS_AVX2 0
#endif

#if MERTOOL_HAS_AVX2 && defined(__x86_64__)
#define MERTOOL_HAS_AVX512 1
#define MERTOOL_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))
#else
#define MERTOOL_HAS_AVX512 0
#endif

// For code that is compiled once for each instruction set: it uses that of the function it is inlined into.
#ifdef _MSC_VER
#define MERTOOL_INLINE __forceinline
#else
#define MERTOOL_INLINE inline __attribute__((always_inline))
#endif

namespace mertool {

enum class Simd { plain, avx2, avx512 };  // each can do what those before it can

// The best path of this machine, or the one named by the environment variable MERTOOL_SIMD (plain, avx2, avx512); read
// once. All paths give the same bytes. Throws std::invalid_argument for an unknown name or a path this machine lacks.
Simd simd_in_use();

const char* simd_name(Simd simd);

}  // namespace mertool
