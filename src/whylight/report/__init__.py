"""A result CSV of ``whylight gradcam-batch`` as a page to look through: one HTML file, thumbnails beside it."""

from whylight.report.page import ReportSummary, write_report

__all__ = ["ReportSummary", "write_report"]
