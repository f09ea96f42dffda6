import Foundation

/// What the kernel says that a process uses (proc(5)).
enum ProcessUse {
    /// Resident memory now, in bytes.
    static func resident(_ pid: Int32) throws -> Double { try field("VmRSS", pid) }

    /// The most that was ever resident, in bytes.
    static func residentPeak(_ pid: Int32) throws -> Double { try field("VmHWM", pid) }

    /// Seconds of processor time so far, of all threads, in user mode and in the kernel.
    static func processorSeconds(_ pid: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // The name may contain anything; behind its parenthesis comes field 3.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { throw Implausible("/proc/\(pid)/stat has no times") }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func field(_ name: String, _ pid: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
        guard
            let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst()
                .first,
            let value = Double(kilobytes)
        else { throw Implausible("/proc/\(pid)/status has no \(name)") }
        return value * 1024
    }
}
