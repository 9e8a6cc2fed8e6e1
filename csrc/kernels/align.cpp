#include "align.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "float4.hpp"

namespace mertool {
namespace {

constexpr int lanes = 4;  // input pixels weighted at once
constexpr double max_scale = 64.0;
constexpr double max_reach_px = 1e6;

double check_similarity(const Transform& m, const Size& size) {
    if (!std::all_of(m.begin(), m.end(), [](double value) { return std::isfinite(value); })) {
        throw std::invalid_argument("align: transform is not finite");
    }
    const double first = std::hypot(m[0], m[3]);
    const double second = std::hypot(m[1], m[4]);
    const double scale = std::sqrt(first * second);
    if (!(scale > 1.0 / max_scale && scale < max_scale)) {
        throw std::invalid_argument("align: transform must take between 1/64 and 64 input pixels per output pixel");
    }
    if (std::abs(first - second) > 1e-4 * scale || std::abs(m[0] * m[1] + m[3] * m[4]) > 1e-4 * scale * scale) {
        throw std::invalid_argument("align: transform must be a similarity: turn, scale, shift and mirror only");
    }
    const double diagonal = scale * static_cast<double>(size.height + size.width);
    if (std::abs(m[2]) + diagonal > max_reach_px || std::abs(m[5]) + diagonal > max_reach_px) {
        throw std::invalid_argument("align: transform leads beyond 1000000 px from the origin");
    }
    return scale;
}

// Input coordinates of one axis: c = along_x * x + along_y * y + start. Those so far outside that only the edge pixel
// counts are brought nearer by whole pixels, which changes no weight.
struct Axis {
    double along_x, along_y, start;
    double lowest, highest;

    double at(double x, double y) const {
        const double c = along_x * x + along_y * y + start;
        if (c < lowest) return c + std::ceil(lowest - c);
        if (c > highest) return c - std::ceil(c - highest);
        return c;
    }
};

Axis make_axis(const double* row, std::int64_t side, double radius) {
    return {row[0], row[1], row[2], -radius - 1.0, static_cast<double>(side) + radius};
}

struct Range {
    std::int64_t first, last;
    std::int64_t size() const { return last - first + 1; }
};

// Input pixels that the tents of all output pixels may touch.
Range range_of(const Axis& axis, const Size& size, double radius) {
    const auto right = static_cast<double>(size.width - 1);
    const auto down = static_cast<double>(size.height - 1);
    const auto [low, high] =
        std::minmax({axis.start, axis.start + axis.along_x * right, axis.start + axis.along_y * down,
                     axis.start + axis.along_x * right + axis.along_y * down});
    const double nearest = std::clamp(low, axis.lowest, axis.highest);
    const double furthest = std::clamp(high, axis.lowest, axis.highest);
    // One pixel more on either side: `at` brings a coordinate to within one pixel of the bound.
    return {static_cast<std::int64_t>(std::floor(nearest - radius)) - 1,
            static_cast<std::int64_t>(std::ceil(furthest + radius)) + 1 + lanes};
}

// The part of the picture that is looked at, in grey and not rounded, with its edges repeated.
struct GreyWindow {
    Range columns, rows;
    std::vector<float> values;

    const float* at(std::int64_t x, std::int64_t y) const {
        return values.data() + (y - rows.first) * columns.size() + (x - columns.first);
    }
};

GreyWindow make_window(const Picture& picture, Range columns, Range rows) {
    GreyWindow window{columns, rows, std::vector<float>(static_cast<std::size_t>(columns.size() * rows.size()))};
    const std::int64_t last = picture.size.width - 1;
    const std::int64_t from = std::clamp<std::int64_t>(columns.first, 0, last);
    const std::int64_t to = std::clamp<std::int64_t>(columns.last, 0, last);
    const std::int64_t shift = std::clamp<std::int64_t>(-columns.first, 0, columns.size() - 1);
    float* out = window.values.data();
    for (std::int64_t y = rows.first; y <= rows.last; ++y, out += columns.size()) {
        const std::int64_t row = std::clamp<std::int64_t>(y, 0, picture.size.height - 1);
        const std::uint8_t* const in = picture.data + (row * picture.size.width + from) * picture.channels;
        float* const inside = out + shift;
        const std::int64_t n = std::min(to - from + 1, columns.size() - shift);
        if (picture.channels == 1) {
            for (std::int64_t x = 0; x < n; ++x) inside[x] = in[x];
        } else {
            for (std::int64_t x = 0; x < n; ++x) {
                inside[x] = 0.114F * in[3 * x] + 0.587F * in[3 * x + 1] + 0.299F * in[3 * x + 2];
            }
        }
        std::fill(out, inside, inside[0]);
        std::fill(inside + n, out + columns.size(), inside[n - 1]);
    }
    return window;
}

// std::floor, but no call into the library where the processor's baseline has no instruction for it.
std::int64_t floor_of(double value) {
    const auto whole = static_cast<std::int64_t>(value);
    return value < static_cast<double>(whole) ? whole - 1 : whole;
}

std::uint8_t round_grey(float value) { return static_cast<std::uint8_t>(std::lrint(std::clamp(value, 0.0F, 255.0F))); }

std::uint8_t interpolate(const GreyWindow& window, double cx, double cy) {
    const std::int64_t left = floor_of(cx);
    const std::int64_t top = floor_of(cy);
    const auto fx = static_cast<float>(cx - static_cast<double>(left));
    const auto fy = static_cast<float>(cy - static_cast<double>(top));
    const float* const upper = window.at(left, top);
    const float* const lower = upper + window.columns.size();
    const float above = upper[0] + fx * (upper[1] - upper[0]);
    const float below = lower[0] + fx * (lower[1] - lower[0]);
    return round_grey(above + fy * (below - above));
}

// Offsets from the tent's centre in output pixels: u = ux dx + uy dy, v = vx dx + vy dy.
struct Tent {
    float ux, uy, vx, vy;
    double radius_x, radius_y;  // in input pixels
    int columns, rows;          // as many input pixels lie within the radius, or one fewer
};

Tent make_tent(const Transform& m) {
    const double determinant = m[0] * m[4] - m[1] * m[3];
    const double radius_x = std::abs(m[0]) + std::abs(m[1]);
    const double radius_y = std::abs(m[3]) + std::abs(m[4]);
    return {static_cast<float>(m[4] / determinant),
            static_cast<float>(-m[1] / determinant),
            static_cast<float>(-m[3] / determinant),
            static_cast<float>(m[0] / determinant),
            radius_x,
            radius_y,
            static_cast<int>(std::ceil(2.0 * radius_x)),
            static_cast<int>(std::ceil(2.0 * radius_y))};
}

std::uint8_t average(const GreyWindow& window, const Tent& shape, double cx, double cy) {
    const std::int64_t left = floor_of(cx - shape.radius_x) + 1;
    const std::int64_t top = floor_of(cy - shape.radius_y) + 1;
    const auto dx = static_cast<float>(static_cast<double>(left) - cx);
    const auto dy = static_cast<float>(static_cast<double>(top) - cy);
    const float* const row = window.at(left, top);
    const float ramp[lanes] = {0.0F, 1.0F, 2.0F, 3.0F};
    const Float4 uy = Float4::all(shape.uy);
    const Float4 vy = Float4::all(shape.vy);
    Float4 values = Float4::all(0.0F);
    Float4 weights = Float4::all(0.0F);
    for (int i = 0; i < shape.columns; i += lanes) {
        const Float4 x = Float4::load(ramp) + Float4::all(dx + static_cast<float>(i));
        Float4 u = Float4::all(shape.ux) * x + uy * Float4::all(dy);
        Float4 v = Float4::all(shape.vx) * x + vy * Float4::all(dy);
        const float* in = row + i;
        for (int j = 0; j < shape.rows; ++j, in += window.columns.size()) {
            const Float4 weight = tent(u) * tent(v);
            values = values + weight * Float4::load(in);
            weights = weights + weight;
            u = u + uy;
            v = v + vy;
        }
    }
    return round_grey(sum(values) / sum(weights));
}

}  // namespace

void align(const Picture& picture, const Transform& transform, const Size& size, std::uint8_t* out) {
    const bool shrinks = check_similarity(transform, size) > 1.0;
    const Tent tent = make_tent(transform);
    const double radius_x = shrinks ? tent.radius_x : 1.0;
    const double radius_y = shrinks ? tent.radius_y : 1.0;
    const Axis x_axis = make_axis(transform.data(), picture.size.width, radius_x);
    const Axis y_axis = make_axis(transform.data() + 3, picture.size.height, radius_y);
    const GreyWindow window = make_window(picture, range_of(x_axis, size, radius_x), range_of(y_axis, size, radius_y));
    for (std::int64_t y = 0; y < size.height; ++y) {
        for (std::int64_t x = 0; x < size.width; ++x) {
            const double cx = x_axis.at(static_cast<double>(x), static_cast<double>(y));
            const double cy = y_axis.at(static_cast<double>(x), static_cast<double>(y));
            *out++ = shrinks ? average(window, tent, cx, cy) : interpolate(window, cx, cy);
        }
    }
}

}  // namespace mertool
