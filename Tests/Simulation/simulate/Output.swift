import Foundation

/// Lines on standard output that are out when the call returns: a precondition of the cores may end
/// the process right behind it.
enum Output {
    static func line(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}
