// swift-tools-version: 6.2
import PackageDescription

// Every target has the name of its folder. Which may depend on which is told in the README, under
// "Where things are", and proven by Tests/ArchitectureTests.

/// For every target of ours: an existential is marked as one, and a warning is an error.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error),
]

let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(
    name: "Configuration", package: "swift-configuration")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTPTypes: Target.Dependency = .product(
    name: "NIOHTTPTypes", package: "swift-nio-extras")
let serviceLifecycle: Target.Dependency = .product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "tributary",
    products: [
        .executable(name: "tributary-agent", targets: ["AgentDaemon"]),
        .executable(name: "tributary-aggregator", targets: ["AggregatorDaemon"]),
        .executable(name: "tributary-trace", targets: ["TraceCLI"]),
        // For applications that carry an agent inside instead of beside them.
        .library(name: "AgentRuntime", targets: ["AgentRuntime"]),
        // The pure cores alone: builds in seconds, for the inner loop. Static, because SwiftPM builds
        // everything where it is asked for a library that leaves its type open.
        .library(
            name: "TributaryCores", type: .static,
            targets: ["LedgerCore", "SyncProtocol", "AgentCore", "AggregatorCore"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(
            url: "https://github.com/apple/swift-configuration", exact: "1.4.0",
            traits: [.defaults, "CommandLineArguments", "YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", exact: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // MARK: Shared
        .target(name: "LedgerCore", path: "Shared/LedgerCore", swiftSettings: strict),
        .target(
            name: "SyncProtocol", dependencies: ["LedgerCore"], path: "Shared/SyncProtocol",
            swiftSettings: strict),
        .systemLibrary(
            name: "CMosquitto", path: "Shared/CMosquitto", pkgConfig: "libmosquitto",
            providers: [.apt(["libmosquitto-dev"])]),
        .target(
            name: "MQTTTransport", dependencies: ["CMosquitto"], path: "Shared/MQTTTransport",
            swiftSettings: strict),
        .target(
            name: "SegmentStore", dependencies: ["LedgerCore", "SyncProtocol", grdb, grdbSQLite],
            path: "Shared/SegmentStore", swiftSettings: strict),
        .target(
            name: "Signing", dependencies: ["LedgerCore", "SyncProtocol", crypto],
            path: "Shared/Signing",
            swiftSettings: strict),
        .target(name: "TextFormats", path: "Shared/TextFormats", swiftSettings: strict),
        .target(
            name: "HTTPSupport",
            dependencies: [
                "LedgerCore", "Observability", "SyncProtocol", "TextFormats", httpTypes,
                hummingbird, hummingbirdCore,
                logging, metrics, nio, nioHTTP1, nioHTTPTypes, serviceLifecycle,
            ],
            path: "Shared/HTTPSupport", swiftSettings: strict),
        .target(
            name: "OTLP", dependencies: [protobuf], path: "Shared/OTLP", swiftSettings: strict),
        .target(
            name: "Observability",
            dependencies: [
                "LedgerCore", "OTLP", "TextFormats", logging, metrics, protobuf, tracing,
            ],
            path: "Shared/Observability",
            swiftSettings: strict),
        .target(
            name: "DaemonSupport",
            dependencies: [
                "MQTTTransport", "Observability", "TextFormats", configuration, logging,
                serviceLifecycle, system, yams,
            ],
            path: "Shared/DaemonSupport", swiftSettings: strict),
        .target(
            name: "Workers", dependencies: ["LedgerCore"], path: "Shared/Workers",
            swiftSettings: strict),

        // MARK: Agent
        .target(
            name: "AgentCore", dependencies: ["LedgerCore", "SyncProtocol"],
            path: "Agent/AgentCore",
            swiftSettings: strict),
        .target(
            name: "AgentStore",
            dependencies: ["AgentCore", "LedgerCore", "SegmentStore", "SyncProtocol", grdb],
            path: "Agent/AgentStore", swiftSettings: strict),
        .target(
            name: "AgentRuntime",
            dependencies: [
                "AgentCore", "AgentStore", "LedgerCore", "MQTTTransport", "OTLP", "Observability",
                "SegmentStore", "Signing", "SyncProtocol", "Workers", logging, metrics, protobuf,
                tracing,
            ],
            path: "Agent/AgentRuntime", swiftSettings: strict),
        .target(
            name: "AgentAPI",
            dependencies: [
                "AgentCore", "HTTPSupport", "LedgerCore", "Observability", "SyncProtocol",
                "TextFormats", httpTypes, hummingbird, tracing,
            ],
            path: "Agent/AgentAPI", swiftSettings: strict),
        .executableTarget(
            name: "AgentDaemon",
            dependencies: [
                "AgentAPI", "AgentCore", "AgentRuntime", "DaemonSupport", "HTTPSupport",
                "LedgerCore", "Observability", "TextFormats", logging, metrics, tracing,
            ],
            path: "Agent/AgentDaemon", swiftSettings: strict),

        // MARK: Aggregator
        .target(
            name: "AggregatorCore", dependencies: ["LedgerCore", "SyncProtocol"],
            path: "Aggregator/AggregatorCore",
            swiftSettings: strict),
        .target(
            name: "LedgerStoreSQLite",
            dependencies: ["AggregatorCore", "LedgerCore", "SegmentStore", "SyncProtocol", grdb],
            path: "Aggregator/LedgerStoreSQLite", swiftSettings: strict),
        .target(
            name: "Projection",
            dependencies: [
                "AggregatorCore", "LedgerCore", "SegmentStore", "SyncProtocol", "Workers", grdb,
                logging,
            ],
            path: "Aggregator/Projection", swiftSettings: strict),
        .target(
            name: "TraceStore",
            dependencies: ["LedgerCore", "OTLP", "Observability", grdb, protobuf],
            path: "Aggregator/TraceStore", swiftSettings: strict),
        .target(
            name: "AggregatorRuntime",
            dependencies: [
                "AggregatorCore", "LedgerCore", "LedgerStoreSQLite", "MQTTTransport", "OTLP",
                "Observability", "Projection", "SegmentStore", "Signing", "SyncProtocol",
                "TraceStore",
                "Workers", logging, metrics, protobuf, tracing,
            ],
            path: "Aggregator/AggregatorRuntime", swiftSettings: strict),
        .target(
            name: "AggregatorAPI",
            dependencies: [
                "AggregatorCore", "HTTPSupport", "LedgerCore", "OTLP", "Observability",
                "SyncProtocol", "TextFormats", httpTypes, hummingbird, nio,
            ],
            path: "Aggregator/AggregatorAPI", swiftSettings: strict),
        .executableTarget(
            name: "AggregatorDaemon",
            dependencies: [
                "AggregatorAPI", "AggregatorRuntime", "DaemonSupport", "HTTPSupport", "LedgerCore",
                "Observability", "TextFormats", "TraceStore", logging, metrics, tracing,
            ],
            path: "Aggregator/AggregatorDaemon", swiftSettings: strict),
        .target(
            name: "MessageInspection", dependencies: ["LedgerCore", "SyncProtocol", "TextFormats"],
            path: "Aggregator/MessageInspection", swiftSettings: strict),
        .executableTarget(
            name: "TraceCLI",
            dependencies: [
                "DaemonSupport", "LedgerCore", "MQTTTransport", "MessageInspection",
                "SegmentStore", "Signing", "SyncProtocol", "TextFormats", "Workers",
                argumentParser, grdb, grdbSQLite, nio, nioHTTP1, nioPosix,
            ],
            path: "Aggregator/TraceCLI", swiftSettings: strict),

        // MARK: Tests
        .target(
            name: "TestSupport", dependencies: ["LedgerCore", "SyncProtocol"],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(name: "Workload", path: "Tests/Workload", swiftSettings: strict),
        .target(
            name: "FleetHarness", dependencies: ["Workload"], path: "Tests/FleetHarness",
            swiftSettings: strict),
        .target(
            name: "FuzzChecks", dependencies: ["LedgerCore", "SyncProtocol", "TestSupport"],
            path: "Tests/Fuzz/FuzzChecks", swiftSettings: strict),
        .target(
            name: "PowerCutVFS", path: "Tests/PowerCutVFS",
            linkerSettings: [.linkedLibrary("sqlite3")]),
        .executableTarget(
            name: "demonstration", dependencies: ["Workload", "FleetHarness", argumentParser],
            path: "Tests/Demonstration", swiftSettings: strict),
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "AgentCore", "AgentRuntime", "AggregatorCore", "FleetHarness", "LedgerCore",
                "LedgerStoreSQLite", "MQTTTransport", "SegmentStore", "Signing", "SyncProtocol",
                "TextFormats", "Workers", "Workload", argumentParser, grdbSQLite, histogram,
                logging,
            ],
            path: "Tests/Benchmarks", swiftSettings: strict),
        // The production cores in a world that fails. Nothing but them and the argument parser is
        // built for it, so that the inner loop stays one of seconds.
        .target(
            name: "Simulator",
            dependencies: [
                "AgentCore", "AggregatorCore", "LedgerCore", "SyncProtocol", "TestSupport",
            ],
            path: "Tests/Simulation/Simulator", swiftSettings: strict),
        .executableTarget(
            name: "simulate", dependencies: ["Simulator", argumentParser],
            path: "Tests/Simulation/simulate", swiftSettings: strict),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: ["AgentCore", "LedgerCore", "SyncProtocol", "TestSupport"],
            path: "Tests/AgentCoreTests", swiftSettings: strict),
        .testTarget(
            name: "AgentRuntimeTests",
            dependencies: [
                "AgentCore", "AgentRuntime", "AgentStore", "LedgerCore", "PowerCutVFS",
                "SegmentStore", "Signing", "SyncProtocol", "TestSupport", logging,
            ],
            path: "Tests/AgentRuntimeTests", swiftSettings: strict),
        .testTarget(
            name: "AggregatorCoreTests",
            dependencies: [
                "AgentCore", "AggregatorCore", "LedgerCore", "SyncProtocol", "TestSupport",
            ],
            path: "Tests/AggregatorCoreTests", swiftSettings: strict),
        .testTarget(
            name: "ArchitectureTests", path: "Tests/ArchitectureTests", swiftSettings: strict),
        .testTarget(
            name: "DaemonSupportTests",
            dependencies: ["DaemonSupport", "TextFormats", logging, serviceLifecycle],
            path: "Tests/DaemonSupportTests", swiftSettings: strict),
        .testTarget(
            name: "FleetHarnessTests", dependencies: ["FleetHarness", "Workload"],
            path: "Tests/FleetHarnessTests",
            swiftSettings: strict),
        .testTarget(
            name: "HTTPSupportTests",
            dependencies: [
                "HTTPSupport", "LedgerCore", "Observability", "SyncProtocol", "TextFormats",
                httpTypes, hummingbird,
                hummingbirdCore, logging, metrics, nio, nioEmbedded, nioHTTPTypes, serviceLifecycle,
            ],
            path: "Tests/HTTPSupportTests", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "FleetHarness", "LedgerCore", "MQTTTransport", "Signing", "SyncProtocol",
                "TestSupport", "Workload", grdb,
            ],
            path: "Tests/IntegrationTests", swiftSettings: strict),
        .testTarget(
            name: "LedgerCoreTests", dependencies: ["LedgerCore", "TestSupport"],
            path: "Tests/LedgerCoreTests",
            swiftSettings: strict),
        .testTarget(
            name: "MessageInspectionTests",
            dependencies: [
                "LedgerCore", "MessageInspection", "SyncProtocol", "TestSupport", "TextFormats",
            ],
            path: "Tests/MessageInspectionTests", swiftSettings: strict),
        .testTarget(
            name: "LedgerStoreSQLiteTests",
            dependencies: [
                "AggregatorCore", "LedgerCore", "LedgerStoreSQLite", "SegmentStore", "Signing",
                "SyncProtocol", "TestSupport",
            ],
            path: "Tests/LedgerStoreSQLiteTests", swiftSettings: strict),
        .testTarget(
            name: "MQTTTransportTests", dependencies: ["MQTTTransport"],
            path: "Tests/MQTTTransportTests",
            swiftSettings: strict),
        .testTarget(
            name: "ObservabilityTests",
            dependencies: [
                "LedgerCore", "OTLP", "Observability", "TestSupport", logging, metrics, tracing,
            ],
            path: "Tests/ObservabilityTests", swiftSettings: strict),
        .testTarget(
            name: "OTLPTests", dependencies: ["OTLP", "TestSupport", protobuf],
            path: "Tests/OTLPTests", swiftSettings: strict),
        .testTarget(
            name: "ProjectionTests",
            dependencies: [
                "AggregatorCore", "AggregatorRuntime", "LedgerCore", "LedgerStoreSQLite",
                "Projection", "SegmentStore", "Signing", "SyncProtocol", "TestSupport", grdb,
                logging,
            ],
            path: "Tests/ProjectionTests", swiftSettings: strict),
        .testTarget(
            name: "SegmentStoreTests",
            dependencies: [
                "LedgerCore", "PowerCutVFS", "SegmentStore", "Signing", "SyncProtocol",
                "TestSupport", grdb,
            ],
            path: "Tests/SegmentStoreTests", swiftSettings: strict),
        .testTarget(
            name: "SigningTests", dependencies: ["LedgerCore", "Signing", "SyncProtocol"],
            path: "Tests/SigningTests", swiftSettings: strict),
        .testTarget(
            name: "SimulatorTests",
            dependencies: [
                "AgentCore", "AggregatorCore", "LedgerCore", "Simulator", "SyncProtocol",
                "TestSupport",
            ],
            path: "Tests/SimulatorTests", swiftSettings: strict),
        .testTarget(
            name: "SyncProtocolTests",
            dependencies: ["FuzzChecks", "LedgerCore", "SyncProtocol", "TestSupport"],
            path: "Tests/SyncProtocolTests", resources: [.copy("Golden")], swiftSettings: strict),
        .testTarget(
            name: "TextFormatsTests", dependencies: ["TextFormats"], path: "Tests/TextFormatsTests",
            swiftSettings: strict),
        .testTarget(
            name: "TraceStoreTests",
            dependencies: ["LedgerCore", "OTLP", "Observability", "TestSupport", "TraceStore"],
            path: "Tests/TraceStoreTests", swiftSettings: strict),
        .testTarget(
            name: "WorkloadTests", dependencies: ["Workload"], path: "Tests/WorkloadTests",
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// They link with libFuzzer only, which brings their `main`: `Tests/Fuzz/fuzz` builds them.
if Context.environment["TRIBUTARY_FUZZ"] != nil {
    let linked = strict + [.unsafeFlags(["-parse-as-library"])]
    package.targets += [
        .executableTarget(
            name: "fuzz-frame", dependencies: ["FuzzChecks"], path: "Tests/Fuzz/fuzz-frame",
            swiftSettings: linked),
        .executableTarget(
            name: "fuzz-message", dependencies: ["FuzzChecks"], path: "Tests/Fuzz/fuzz-message",
            swiftSettings: linked),
        .executableTarget(
            name: "fuzz-segment", dependencies: ["FuzzChecks"], path: "Tests/Fuzz/fuzz-segment",
            swiftSettings: linked),
    ]
}
