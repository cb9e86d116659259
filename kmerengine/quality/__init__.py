"""Quality of ATAC-seq samples."""
