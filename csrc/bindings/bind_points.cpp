#include <cmath>
#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "points.hpp"
#include "scalars.hpp"

namespace mertool::bindings {
namespace {

constexpr std::int64_t max_width = 16384;

using Points = py::array_t<float, py::array::c_style>;

std::vector<py::ssize_t> shape_of(const Points& points) { return {points.shape(), points.shape() + points.ndim()}; }

// Points of any number of leading axes, the last of which are `last`.
Points check_points(const py::object& object, const std::string& where, const Shape& last) {
    Shape any = last;
    any.insert(any.begin(), Dim("..."));
    if (!has_dtype<float>(object))
        throw_invalid(where, " must be " + describe(any) + " float32, got " + describe(object));
    const auto ndim = static_cast<std::size_t>(py::reinterpret_borrow<py::array>(object).ndim());
    Shape shape = last;
    if (ndim > last.size()) shape.insert(shape.begin(), ndim - last.size(), Dim("N"));
    if (!has_shape(py::reinterpret_borrow<py::array>(object), shape)) {
        throw_invalid(where, " must be " + describe(any) + " float32, got " + describe(object));
    }
    return check_block<float>(object, where, {shape});
}

Points transform_points_checked(const py::object& points_in, const py::object& transform_in) {
    const Points points = check_points(points_in, "transform_points: points", {2});
    const auto matrix = check_block<double>(transform_in, "transform_points: transform", {{2, 3}});
    Transform transform;
    std::copy_n(matrix.data(), transform.size(), transform.begin());
    for (const double entry : transform) {
        if (!std::isfinite(entry)) throw_invalid("transform_points: transform", " is not finite");
    }
    Points out(shape_of(points));
    const float* const in = points.data();
    float* const to = out.mutable_data();
    const std::int64_t n = points.size() / 2;
    {
        // Safe: `points` is held by this call, `out` is not yet known to anyone else, and the kernel calls no Python.
        const py::gil_scoped_release release;
        transform_points(in, n, transform, to);
    }
    return out;
}

std::vector<std::int64_t> check_order(const py::object& object) {
    const auto block = check_block<std::int64_t>(object, "mirror_points: order", {{"K"}});
    // A copy, since another thread could change the caller's array after the check.
    std::vector<std::int64_t> order(block.data(), block.data() + block.size());
    const auto count = static_cast<std::int64_t>(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        const bool inside = order[i] >= 0 && order[i] < count;
        if (!inside || order[static_cast<std::size_t>(order[i])] != static_cast<std::int64_t>(i)) {
            throw_invalid("mirror_points: order", " must swap pairs of 0.." + std::to_string(count - 1) +
                                                      " (mirroring twice changes nothing), got " +
                                                      std::to_string(order[i]) + " at " + std::to_string(i));
        }
    }
    return order;
}

Points mirror_points_checked(const py::object& points_in, const py::object& width_in, const py::object& order_in) {
    const std::int64_t width = check_integer(width_in, "mirror_points: width", 1, max_width);
    const std::vector<std::int64_t> order = check_order(order_in);
    const auto count = static_cast<std::int64_t>(order.size());
    const Points points = check_points(points_in, "mirror_points: points", {static_cast<py::ssize_t>(count), 2});
    Points out(shape_of(points));
    const float* const in = points.data();
    float* const to = out.mutable_data();
    const std::int64_t sets = count == 0 ? 0 : points.size() / (2 * count);
    {
        // Safe: as in transform_points, and `order` is our own.
        const py::gil_scoped_release release;
        mirror_points(in, sets, width, order.data(), count, to);
    }
    return out;
}

}  // namespace

void bind_points(py::module_& module) {
    module.def("transform_points", &transform_points_checked, py::arg("points"), py::arg("transform"),
               "Apply a (2, 3) float64 transform to (..., 2) float32 points; result in multiples of 1/1024 px.");
    module.def("mirror_points", &mirror_points_checked, py::arg("points"), py::arg("width"), py::arg("order"),
               "Mirror (..., K, 2) float32 points in a picture of this width; point i comes from order[i].");
}

}  // namespace mertool::bindings
