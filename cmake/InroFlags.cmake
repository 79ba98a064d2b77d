# Language level, warnings as errors, hardening. Checked with gcc 12 and clang 14.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
  add_compile_options(
    -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE INRO_VERSION="${PROJECT_VERSION}" OPENSSL_NO_DEPRECATED
                        OPENSSL_API_COMPAT=30000)
add_compile_options(
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
  -Wformat-security -Wvla -Wimplicit-fallthrough -Werror
  -fno-strict-aliasing -fno-delete-null-pointer-checks -ftrivial-auto-var-init=zero
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(INRO_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer -O1)
  add_link_options(-fsanitize=address,undefined)
else()
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code)
endif()
if(INRO_FUZZ)
  # The rooms report their coverage too; the drivers bring libFuzzer's main (tests/CMakeLists.txt).
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
include(CheckPIESupported)
check_pie_supported()
