# cmake -DOUTPUT=FILE -P embed.cmake -- FILES...: writes C++ that holds the files as raw string literals.
set(entries "")
set(after_separator FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(index RANGE 0 ${last})
  set(argument "${CMAKE_ARGV${index}}")
  if(after_separator)
    file(READ "${argument}" content)
    get_filename_component(name "${argument}" NAME)
    string(APPEND entries "    RecipeFile{\"${name}\", R\"dormouse(${content})dormouse\"},\n")
  elseif(argument STREQUAL "--")
    set(after_separator TRUE)
  endif()
endforeach()
file(WRITE "${OUTPUT}" "// Made by embed.cmake.
#include \"managed_base/recipe.h\"

namespace dormouse::managed_base {
namespace {
constexpr RecipeFile kFiles[] = {
${entries}};
}  // namespace
std::span<const RecipeFile> recipe_files() { return kFiles; }
}  // namespace dormouse::managed_base
")
