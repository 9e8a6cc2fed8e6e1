// align: grey conversion and anti-aliased similarity warp of a picture in one pass.
#pragma once

#include <cstdint>

#include "view.hpp"

namespace mertool {

// Writes size.height x size.width grey levels. `transform` maps output to input pixels and must be a similarity,
// mirrored or not. Up to one input pixel per output pixel it interpolates bilinearly; above that it averages with a
// tent of radius one output pixel along the output's axes. Outside the picture the edge pixel is repeated; one
// rounding. Throws std::invalid_argument for any other transform, and for one that leads too far away.
void align(const Picture& picture, const Transform& transform, const Size& size, std::uint8_t* out);

}  // namespace mertool
