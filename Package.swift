// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    // A chunk crosses five targets; without this each crossing is a call that cannot be inlined. The compiler does it for
    // `public` declarations only, never for `package` ones: hence the former in Primitives and JSON, which all others use
    // byte by byte, and for the ids that a chunk is found by.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

/// A room of the house: imports point downwards only, so the list reads from the bottom up.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ room: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .testTarget(
        name: "\(room)Tests",
        dependencies: [.byName(name: room), "TestKit"] + dependencies,
        resources: resources,
        swiftSettings: settings)
}

func system(_ name: String, pkgConfig: String?, apt: String, brew: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt]), .brew([brew])])
}

// Debian's simdjson.pc has a flag that the package manager refuses aloud on every build, and no path it would need.
#if os(macOS)
    let simdjsonPkgConfig: String? = "simdjson"
#else
    let simdjsonPkgConfig: String? = nil
#endif

let package = Package(
    name: "trunkline",
    platforms: [.macOS("26.0")],
    products: [.executable(name: "trunkline", targets: ["trunkline"])],
    targets: [
        system("CLibuv", pkgConfig: "libuv", apt: "libuv1-dev", brew: "libuv"),
        system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev", brew: "openssl@3"),
        system("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev", brew: "sqlite"),
        system("CYAML", pkgConfig: "yaml-0.1", apt: "libyaml-dev", brew: "libyaml"),
        system("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev", brew: "curl"),
        system("CSimdJSONLibrary", pkgConfig: simdjsonPkgConfig, apt: "libsimdjson-dev", brew: "simdjson"),
        .target(
            name: "CSimdJSON", dependencies: ["CSimdJSONLibrary"],
            cxxSettings: [.unsafeFlags(["-O3"])],
            // C++ has no auto-linking, so the library's module map does not do it.
            linkerSettings: [.linkedLibrary("simdjson")]),

        room("Primitives"),
        room("Crypto", ["Primitives", "COpenSSL"]),
        room("JSON", ["Primitives", "CSimdJSON"]),
        room("HTTPCodec", ["Primitives"]),
        room("WebSocketCodec", ["Primitives", "Crypto", "HTTPCodec"]),
        room("ProviderProtocol", ["Primitives", "Crypto", "JSON", "WebSocketCodec"]),
        room("Pool", ["Primitives"]),
        room("Environment", ["Primitives"]),
        room(
            "Coordinator",
            ["Primitives", "Crypto", "JSON", "HTTPCodec", "WebSocketCodec", "ProviderProtocol", "Pool", "Environment"]),

        room("Platform", ["Primitives", "CLibuv"]),
        room("Transport", ["Primitives", "Environment", "Platform", "CLibuv", "COpenSSL"]),
        room("Store", ["Primitives", "Crypto", "Pool", "Environment", "Coordinator", "Platform", "CSQLite"]),
        room(
            "Agent",
            [
                "Primitives", "Crypto", "JSON", "HTTPCodec", "WebSocketCodec", "ProviderProtocol", "Environment",
                "Transport", "CCurl", "CLibuv",
            ]),
        room("Configuration", ["Primitives", "Pool", "CYAML"]),
        .executableTarget(
            name: "trunkline",
            dependencies: [
                "Primitives", "Crypto", "JSON", "HTTPCodec", "WebSocketCodec", "ProviderProtocol", "Pool",
                "Environment", "Coordinator", "Platform", "Transport", "Store", "Agent", "Configuration", "CLibuv",
                "CCurl",
            ],
            path: "Sources/TrunklineCLI",
            swiftSettings: settings),

        // For `make autobahn` only: the codec and the writer with nothing behind them.
        .executableTarget(
            name: "trunkline-echo",
            dependencies: ["Primitives", "Crypto", "JSON", "HTTPCodec", "WebSocketCodec", "Environment", "Transport"],
            path: "Conformance/Echo",
            swiftSettings: settings),

        room(
            "TestKit",
            [
                "Primitives", "Crypto", "Environment", "HTTPCodec", "WebSocketCodec", "JSON", "ProviderProtocol",
                "Pool",
                "Coordinator",
            ]),
        .executableTarget(
            name: "trunkline-simulate", dependencies: ["Primitives", "JSON", "TestKit"], path: "Sources/Simulate",
            swiftSettings: settings),
        tests("Primitives"),
        tests("Crypto", ["Primitives"]),
        tests("JSON", ["Primitives"]),
        tests("HTTPCodec", ["Primitives"], resources: [.copy("Resources")]),
        tests("WebSocketCodec", ["Primitives", "HTTPCodec"]),
        tests("ProviderProtocol", ["Primitives", "JSON", "Crypto", "WebSocketCodec"], resources: [.copy("Resources")]),
        tests("Pool", ["Primitives"]),
        tests("Coordinator", ["Primitives", "Environment", "JSON", "HTTPCodec", "WebSocketCodec"]),
        tests("Platform", ["Primitives"]),
        tests("Transport", ["Primitives", "Environment", "Platform", "WebSocketCodec"]),
        tests("Store", ["Primitives", "Platform", "Crypto", "Pool", "Environment", "Coordinator"]),
        tests(
            "Agent",
            [
                "Primitives", "Environment", "JSON", "HTTPCodec", "WebSocketCodec", "ProviderProtocol", "Pool",
                "Coordinator", "Transport",
            ]),
        tests("Configuration", ["Primitives", "Pool"]),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "TestKit", "Agent", "Coordinator", "Crypto", "Pool", "ProviderProtocol", "Primitives", "Environment",
                "WebSocketCodec", "HTTPCodec",
                "JSON",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "TrunklineCLITests", dependencies: ["trunkline", "JSON", "Primitives"], swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests", dependencies: ["trunkline"], exclude: ["Engines", "Python"], swiftSettings: settings),
    ],
    cxxLanguageStandard: .cxx17
)
