// NumPy arrays in and out of the kernels: every check of dtype, shape, byte order, alignment and size.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mertool::bindings {

namespace py = pybind11;

// A length that is known, or a letter where any will do.
struct Dim {
    Dim(const char* any) : letter(any), length(-1) {}
    Dim(py::ssize_t known) : letter(""), length(known) {}
    const char* letter;
    py::ssize_t length;
};
using Shape = std::vector<Dim>;

inline constexpr double max_bytes = 1099511627776.0;  // 2^40: more is a mistake, not a wish

inline std::string gibibytes(double bytes) {
    return std::to_string(static_cast<std::int64_t>(std::min(bytes / 1073741824.0, 9e18))) + " GiB";
}

[[noreturn]] inline void throw_invalid(const std::string& where, const std::string& why) {
    throw std::invalid_argument(where + why);
}

inline std::string describe(const Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i > 0) text += ", ";
        text += shape[i].length < 0 ? shape[i].letter : std::to_string(shape[i].length);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

// A message stays one line, whatever came.
inline std::string shorten(const py::str& text) {
    constexpr std::size_t most = 120;
    if (py::len(text) <= most) return text;
    return std::string(py::str(text[py::slice(0, most, 1)])) + "...";
}

inline std::string describe(const py::object& object) {
    if (!py::isinstance<py::array>(object)) return shorten(py::type::of(object).attr("__name__"));
    return shorten(py::str("{} {}").format(object.attr("shape"), object.attr("dtype")));
}

inline bool has_shape(const py::array& array, const Shape& shape) {
    if (array.ndim() != static_cast<py::ssize_t>(shape.size())) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i].length >= 0 && array.shape(static_cast<py::ssize_t>(i)) != shape[i].length) return false;
    }
    return true;
}

template <class T>
bool has_dtype(const py::object& object) {
    return py::isinstance<py::array>(object) &&
           py::reinterpret_borrow<py::array>(object).dtype().equal(py::dtype::of<T>());
}

// `object` as an array of T in this machine's byte order, of any strides. `where` is "function: argument"; `shapes` are
// the ones allowed. Nothing is converted: values never change silently.
template <class T>
py::array_t<T, 0> check_kind(const py::object& object, const std::string& where, const std::vector<Shape>& shapes) {
    bool fits = has_dtype<T>(object);
    if (fits) {
        fits = false;
        for (const Shape& shape : shapes) fits = fits || has_shape(py::reinterpret_borrow<py::array>(object), shape);
    }
    if (!fits) {
        std::string expected;
        for (const Shape& shape : shapes) expected += (expected.empty() ? "" : " or ") + describe(shape);
        const std::string dtype = py::str(py::dtype::of<T>());
        throw_invalid(where, " must be " + expected + " " + dtype + ", got " + describe(object));
    }
    return py::reinterpret_borrow<py::array_t<T, 0>>(object);
}

inline bool is_aligned(const py::array& array) {
    return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

// The same, to be read from.
template <class T>
py::array_t<T, 0> check_array(const py::object& object, const std::string& where, const std::vector<Shape>& shapes) {
    auto array = check_kind<T>(object, where, shapes);
    if (!is_aligned(array)) throw_invalid(where, " must be aligned in memory; copy it first");
    return array;
}

// The same, to be written to: one block of memory.
template <class T>
py::array_t<T, 0> check_out(const py::object& object, const std::string& where, const Shape& shape) {
    auto array = check_kind<T>(object, where, {shape});
    if ((array.flags() & py::array::c_style) == 0) throw_invalid(where, " must be C-contiguous");
    if (!is_aligned(array)) throw_invalid(where, " must be aligned in memory");
    if (!array.writeable()) throw_invalid(where, " must be writeable");
    return array;
}

// Whether the stretches of memory from an array's first to its last byte meet.
inline bool overlap(const py::array& a, const py::array& b) {
    if (a.size() == 0 || b.size() == 0) return false;
    const auto end_of = [](const py::array& array, bool last) {
        const char* end = static_cast<const char*>(array.data()) + (last ? array.itemsize() : 0);
        for (py::ssize_t i = 0; i < array.ndim(); ++i) {
            if ((array.strides(i) > 0) == last) end += array.strides(i) * (array.shape(i) - 1);
        }
        return end;
    };
    const std::less<> before;  // of pointers into different arrays
    return before(end_of(a, false), end_of(b, true)) && before(end_of(b, false), end_of(a, true));
}

// The same, as one block of memory; strided input is copied.
template <class T>
py::array_t<T, py::array::c_style> check_block(const py::object& object, const std::string& where,
                                               const std::vector<Shape>& shapes) {
    const auto array = check_array<T>(object, where, shapes);
    // Strides of zero make arrays of any size out of a few bytes.
    const double bytes = static_cast<double>(array.size()) * sizeof(T);
    if (bytes > max_bytes && (array.flags() & py::array::c_style) == 0) {
        throw_invalid(where, " would take " + gibibytes(bytes) + " as one block of memory, got " + describe(object));
    }
    // Not `ensure`, which forgets why it failed.
    return py::array_t<T, py::array::c_style>(array);
}

}  // namespace mertool::bindings
