// Sharing out items to threads: the results never depend on how many there are.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace mertool {

// More threads than items would have nothing to do; an item takes less time than it takes to start a thread for a part.
inline int count_workers(std::int64_t n, int threads) { return static_cast<int>(std::min<std::int64_t>(threads, n)); }

// Calls work(item, worker) for every item. `work` must not throw. A worker takes some neighbouring items at a time:
// where two write side by side, they would take each other's cache lines away.
template <class Work>
void for_each_item(std::int64_t n, int workers, const Work& work) {
    std::atomic<std::int64_t> next{0};
    if (n == 0) return;  // without an item there is no worker
    const std::int64_t share = std::max<std::int64_t>(1, n / (8 * std::int64_t{workers}));
    const auto loop = [&](int worker) {
        for (std::int64_t first = next.fetch_add(share); first < n; first = next.fetch_add(share)) {
            const std::int64_t end = std::min(first + share, n);
            for (std::int64_t item = first; item < end; ++item) work(item, worker);
        }
    };
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(workers));
    try {
        for (int worker = 1; worker < workers; ++worker) others.emplace_back(loop, worker);
    } catch (const std::exception&) {
        // The system gives no more threads or no memory for one: those that run, this one among them, do all the work.
    }
    loop(0);
    for (std::thread& other : others) other.join();
}

}  // namespace mertool
