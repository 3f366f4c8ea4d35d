# How every target of this project is compiled and what the library is linked with.

set(NPVEC_WARNINGS
    -Wall
    -Wextra
    -Wpedantic
    -Wconversion
    -Wshadow
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wundef
    -Wvla
    # Messages are cut to fit npv_error; that is what snprintf is for.
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)

function(npvec_compile_options target)
  target_compile_features(${target} PRIVATE c_std_17)
  set_target_properties(${target} PROPERTIES C_STANDARD_REQUIRED ON C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
                                               $<$<PLATFORM_ID:Darwin>:_DARWIN_C_SOURCE>)
  # A score is defined to the last bit: a fused multiply-add where the code has two roundings would change it.
  target_compile_options(${target} PRIVATE -ffp-contract=off -fno-math-errno ${NPVEC_WARNINGS}
                                           $<$<BOOL:${NPVEC_WERROR}>:-Werror>)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  if(NPVEC_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${NPVEC_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${NPVEC_SANITIZE})
  endif()
endfunction()

function(npvec_link_options target)
  target_link_libraries(${target} PRIVATE PkgConfig::NPVEC_REQUIRES Threads::Threads m)
  if(NPVEC_SANITIZE)
    target_link_options(${target} PRIVATE -fsanitize=${NPVEC_SANITIZE})
  endif()
endfunction()
