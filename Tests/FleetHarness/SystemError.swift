import Glibc

/// A call of the operating system that failed.
package struct SystemError: Error, CustomStringConvertible {
    package var call: String
    package var code: Int32

    /// Reads `errno`: make it right after the call.
    init(_ call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    package var description: String { "\(call): \(String(cString: strerror(code)))" }
}
