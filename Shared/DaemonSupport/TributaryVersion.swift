/// The version of all executables; they are released together.
package enum TributaryVersion {
    package static let current = "0.1.0"
}
