// Calls every kernel without Python, for tools that want no interpreter around them:
//
//   kernels allocations   how many blocks of memory a small and a large call of each take
//   kernels threads       every kernel from several threads at once, each with threads of its own
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "align.hpp"
#include "points.hpp"
#include "render.hpp"
#include "texture.hpp"

namespace {

std::atomic<long> blocks{0};

void* allocate(std::size_t size) {
    ++blocks;
    void* const memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

using Bytes = std::vector<std::uint8_t>;

Bytes noise(std::int64_t n) {
    Bytes bytes(static_cast<std::size_t>(n));
    std::uint32_t state = 1;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
    return bytes;
}

template <class T>
std::vector<T> buffer(std::int64_t n) {
    return std::vector<T>(static_cast<std::size_t>(n));
}

template <class T>
std::uint64_t hash(const std::vector<T>& values) {
    std::uint64_t seen = 14695981039346656037U;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) seen = (seen ^ bytes[i]) * 1099511628211U;
    return seen;
}

// What a call wrote, as a hash, and how many blocks it took meanwhile.
struct Outcome {
    std::uint64_t hash;
    long blocks;
};

template <class T, class Call>
Outcome watch(std::int64_t n, const Call& call) {
    auto out = buffer<T>(n);
    const long before = blocks;
    call(out.data());
    return {hash(out), blocks - before};
}

using namespace mertool;

template <class T>
Outcome run_render(std::int64_t clips, std::int64_t side, double scale, int threads) {
    const Bytes frames = noise(clips * 2 * side * side);
    const FrameStack source{frames.data(), clips, 2, {side, side}, 2 * side * side, side * side, side};
    const Mosaic mosaic{2, 3, {side / 2 + 1, side / 2 + 3}};
    const auto step = static_cast<float>(scale);
    std::vector<float> transforms;
    std::vector<float> tones;
    for (std::int64_t i = 0; i < clips; ++i) {
        for (std::int64_t r = 0; r < mosaic.regions(); ++r) {
            const float turn = step * 0.1F * static_cast<float>(r);
            for (const float entry : {step, -turn, 3.3F, turn, step, -2.7F}) transforms.push_back(entry);
        }
        tones.push_back(1.1F);
        tones.push_back(-3.0F);
    }
    return watch<T>(clips * 2 * mosaic.pixels(), [&](T* out) {
        render(plan_render(source, mosaic, clips, nullptr, transforms.data(), tones.data()), threads, threads > 2, out);
    });
}

Outcome run_align(std::int64_t side, double scale, int channels) {
    const Bytes pixels = noise(side * side * channels);
    const Picture picture{pixels.data(), {side, side}, channels};
    const Transform transform{scale * 0.8, -scale * 0.6, 5.5, scale * 0.6, scale * 0.8, -3.5};
    return watch<std::uint8_t>(side * side, [&](std::uint8_t* out) { align(picture, transform, {side, side}, out); });
}

Outcome run_points(std::int64_t sets, bool mirror) {
    const std::int64_t count = 68;
    std::vector<float> points;
    for (const std::uint8_t value : noise(sets * count * 2)) points.push_back(value);
    std::vector<std::int64_t> order;
    for (std::int64_t i = count; i-- > 0;) order.push_back(i);
    return watch<float>(sets * count * 2, [&](float* out) {
        if (mirror) {
            mirror_points(points.data(), sets, 256, order.data(), count, out);
        } else {
            transform_points(points.data(), sets * count, {1.1, 0.2, 3, -0.2, 1.1, 5}, out);
        }
    });
}

TextureSettings texture(bool centralised, bool bilinear) { return {centralised, 8, {1, 2, 3}, bilinear, 2, false}; }

Outcome run_codes(std::int64_t side, bool centralised, bool bilinear) {
    const Bytes voxels = noise(9 * side * side);
    const Volumes clip{voxels.data(), 1, 9, {side, side}};
    return watch<std::uint16_t>(planes * 3 * (side - 4) * (side - 2),
                                [&](std::uint16_t* out) { texture_codes(texture(centralised, bilinear), clip, out); });
}

Outcome run_counts(std::int64_t clips, std::int64_t side, bool centralised, bool bilinear, int threads) {
    const Bytes voxels = noise(clips * 9 * side * side);
    const Volumes volumes{voxels.data(), clips, 9, {side, side}};
    const TextureSettings settings = texture(centralised, bilinear);
    return watch<std::uint32_t>(clips * 12 * planes * settings.bins(), [&](std::uint32_t* out) {
        texture_counts(settings, volumes, {2, 2, 3}, threads, out);
    });
}

struct Kernel {
    std::string name;
    std::function<Outcome(std::int64_t clips, std::int64_t side, int threads)> run;
};

std::vector<Kernel> kernels() {
    std::vector<Kernel> all;
    for (const double scale : {0.7, 1.6, 9.0}) {
        const std::string at = " at " + std::to_string(scale);
        all.push_back({"render uint8" + at, [=](std::int64_t clips, std::int64_t side, int threads) {
                           return run_render<std::uint8_t>(clips, side, scale, threads);
                       }});
        all.push_back({"render float32" + at, [=](std::int64_t clips, std::int64_t side, int threads) {
                           return run_render<float>(clips, side, scale, threads);
                       }});
        for (const int channels : {1, 3}) {
            all.push_back({"align " + std::to_string(channels) + at,
                           [=](std::int64_t, std::int64_t side, int) { return run_align(side, scale, channels); }});
        }
    }
    all.push_back({"transform_points", [](std::int64_t clips, std::int64_t, int) { return run_points(clips, false); }});
    all.push_back({"mirror_points", [](std::int64_t clips, std::int64_t, int) { return run_points(clips, true); }});
    for (const auto& [name, centralised, bilinear] : std::vector<std::tuple<std::string, bool, bool>>{
             {"lbp bilinear", false, true}, {"lbp nearest", false, false}, {"cbp", true, false}}) {
        all.push_back({"texture_codes " + name, [c = centralised, b = bilinear](std::int64_t, std::int64_t side, int) {
                           return run_codes(side, c, b);
                       }});
        all.push_back({"texture_counts " + name,
                       [c = centralised, b = bilinear](std::int64_t clips, std::int64_t side, int threads) {
                           return run_counts(clips, side, c, b, threads);
                       }});
    }
    return all;
}

void print_allocations() {
    for (const Kernel& kernel : kernels()) {
        const long small = kernel.run(2, 24, 1).blocks;
        const long large = kernel.run(40, 150, 1).blocks;
        const long shared = kernel.run(40, 24, 3).blocks;
        std::printf("%s\t%ld\t%ld\t%ld\n", kernel.name.c_str(), small, large, shared);
    }
}

int compare_threads() {
    std::atomic<int> wrong{0};
    for (const Kernel& kernel : kernels()) {
        const std::uint64_t right = kernel.run(5, 40, 1).hash;
        std::vector<std::thread> callers;
        for (int caller = 0; caller < 4; ++caller) {
            callers.emplace_back([&, caller] {
                for (int turn = 0; turn < 3; ++turn) {
                    if (kernel.run(5, 40, 1 + caller).hash != right) ++wrong;
                }
            });
        }
        for (std::thread& caller : callers) caller.join();
    }
    std::printf("%d wrong results\n", wrong.load());
    return wrong == 0 ? 0 : 1;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

int main(int count, char** arguments) {
    const std::string what = count == 2 ? arguments[1] : "";
    if (what == "allocations") return print_allocations(), 0;
    if (what == "threads") return compare_threads();
    std::fputs("usage: kernels allocations | threads\n", stderr);
    return 2;
}
