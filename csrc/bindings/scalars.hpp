// Numbers, choices and flags on their way into the kernels, each refused by name: pybind11's own message for them is
// its whole signature. Check them before any array is looked at, since `__index__` may run the caller's code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "arrays.hpp"
#include "view.hpp"

namespace mertool::bindings {

inline constexpr std::int64_t max_threads = 1024;

// A value as Python writes it; anything but a plain value by its type.
inline std::string repr(const py::object& object) {
    PyObject* const value = object.ptr();
    const bool plain = value == Py_None || PyUnicode_Check(value) || PyLong_Check(value) || PyFloat_Check(value) ||
                       PyTuple_Check(value) || PyList_Check(value);
    if (!plain) return describe(object);
    try {
        // In ASCII: no lone half of a character, which could not be printed.
        const auto text = py::reinterpret_steal<py::str>(PyObject_ASCII(value));
        if (!text) throw py::error_already_set();
        return shorten(text);
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_Exception)) throw;
        return describe(object);  // it cannot be written, as an integer of more than 4300 digits
    }
}

// Empty if it is not a whole number or does not fit 64 bits.
inline std::optional<std::int64_t> to_integer(const py::handle& object) {
    if (PyIndex_Check(object.ptr()) == 0) return {};
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!number) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
        PyErr_Clear();  // such as an array of more than one number
        return {};
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0) return {};
    return value;
}

template <std::size_t Count>
std::optional<std::array<std::int64_t, Count>> to_integers(const py::object& object) {
    if (PySequence_Check(object.ptr()) == 0 || PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr())) return {};
    if (py::len(object) != Count) return {};
    std::array<std::int64_t, Count> values;
    for (std::size_t i = 0; i < Count; ++i) {
        const std::optional<std::int64_t> value = to_integer(object[py::int_(i)]);
        if (!value) return {};
        values[i] = *value;
    }
    return values;
}

inline std::int64_t check_integer(const py::object& object, const std::string& where, std::int64_t least,
                                  std::int64_t most) {
    const std::optional<std::int64_t> value = to_integer(object);
    if (!value || *value < least || *value > most) {
        throw_invalid(where, " must be a whole number in " + std::to_string(least) + ".." + std::to_string(most) +
                                 ", got " + (value ? std::to_string(*value) : repr(object)));
    }
    return *value;
}

inline int check_threads(const py::object& object, const std::string& where) {
    return static_cast<int>(check_integer(object, where, 1, max_threads));
}

// A (rows, columns) or (height, width) argument: both 1..`most`.
inline Size check_size(const py::object& object, const std::string& where, std::int64_t most) {
    const auto pair = to_integers<2>(object);
    if (!pair || (*pair)[0] < 1 || (*pair)[1] < 1 || (*pair)[0] > most || (*pair)[1] > most) {
        throw_invalid(where, " must be two whole numbers in 1.." + std::to_string(most) + ", got " + repr(object));
    }
    return {(*pair)[0], (*pair)[1]};
}

// Whether it is the first of the two.
inline bool check_choice(const py::object& object, const std::string& where, const char* one, const char* other) {
    const auto is = [&](const char* choice) {
        return PyUnicode_Check(object.ptr()) && PyUnicode_CompareWithASCIIString(object.ptr(), choice) == 0;
    };
    if (!is(one) && !is(other)) {
        throw_invalid(where, std::string(" must be '") + one + "' or '" + other + "', got " + repr(object));
    }
    return is(one);
}

inline bool check_flag(const py::object& object, const std::string& where) {
    py::detail::make_caster<bool> flag;
    if (!flag.load(object, false)) throw_invalid(where, " must be True or False, got " + repr(object));
    return flag;
}

}  // namespace mertool::bindings
