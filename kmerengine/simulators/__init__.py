"""Data sets whose truth is known: one simulator per file, each writes a folder.

    peaks      a small genome with peaks, and motifs planted at their summits
    koo        Koo and Eddy's sequences with motifs of 12 transcription factors
    gata_tal   AgentBind's sequences with GATA1 in the centre and TAL1 around it
    kmers      peaks whose motifs come from latent topics, and probes
    atac       an ATAC-seq experiment of several cell types

Draws come from one generator and do not depend on the number of threads: the same arguments and
seed give the same bytes.
"""
